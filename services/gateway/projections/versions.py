"""A version was committed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from services.gateway.commands.stream_events import resource_event, run_event
from services.gateway.domain.assets import Draft
from services.gateway.domain.run_parameters import DIRECTIONS
from services.gateway.domain.runs import GeneratorState, Run
from services.gateway.domain.versions import VersionStatus
from services.gateway.projections.imports import import_run_ended
from services.gateway.projections.reviews import accept
from services.gateway.store.unit_of_work import Store
from shared.contracts.events.generator import Complete
from shared.contracts.messages import message
from shared.contracts.values import AssetKind, RunSource, SettingSource, Version
from shared.messaging.events import Message


async def apply_complete(store: Store, told: Message[Complete]) -> None:
    event = told.event
    run = await store.runs.lock(event.run_id)
    if run is None:
        return
    version = event.version
    await store.versions.store(run, [(version, VersionStatus.ACCEPTED)], event.updated_at)
    track = run.track.hear_generator(GeneratorState.COMPLETE, event.run_rev)
    if track.made is run.track.made:
        return
    if run.track.verdict is not track.verdict:  # it overtook `accepted`: clients hear of both, in order
        review = await store.reviews.decisive(run.run_id)
        run = await accept(
            store,
            run,
            run.track.taken_as_accepted(),
            version.version_id,
            event,
            review.review_id if review else None,
            event.updated_at,
        )
    moved = await store.runs.save(
        run,
        track,
        event.updated_at,
        version_id=version.version_id,
        cost=event.cost.model_dump(mode="json"),
        provider=version.provider,
        settings={n: s.model_dump(mode="json") for n, s in version.settings.items()},
        step="complete",
        percent=100.0,
        message_code=f"complete.{run.kind}",
        message_args={},
        heard_at=event.updated_at,
        finished_at=event.updated_at,
    )
    await store.runs.note_step(run, "complete", "complete", f"complete.{run.kind}", {}, run.attempt, event.updated_at)
    draft = _accepted_draft(run, version)
    if await store.assets.commit(
        run.asset_id, run.run_id, version.version_id, event.commit_seq, draft, event.updated_at
    ):
        await _committed(store, run, event)
    await store.log(
        run_event(
            "complete",
            run,
            track.status,
            moved,
            message(f"complete.{run.kind}"),
            event.actor,
            version_id=version.version_id,
        )
    )
    if run.import_id:
        await import_run_ended(store, run, None)
    if run.batch_now:
        await store.wake_batch(run.batch_now)


async def _committed(store: Store, run: Run, event: Complete) -> None:
    """What follows for the rest of the episode."""
    version, at = event.version, event.updated_at
    await store.versions.committed(version.version_id, at)
    if event.retired:
        await store.versions.retire(event.retired, at)
    details = {
        "asset_id": run.asset_id,
        "kind": run.kind.value,
        "segment_id": run.segment_id,
        "version_id": version.version_id,
        "previous_version_id": event.previous_version_id,
        "run_id": run.run_id,
    }
    await store.episodes.revise(run.episode_id, "commit", event.actor, details, at)
    if run.segment_id and run.kind in (AssetKind.VIDEO, AssetKind.STARTING_IMAGE):
        await _restale(store, run, run.segment_id, at)


async def _restale(store: Store, run: Run, segment_id: str, at: datetime) -> None:
    for asset_id in await store.assets.mark_stale(segment_id, at):
        await store.log(
            resource_event("changed", run.project_id, run.episode_id, at, resource="asset", id=asset_id, deleted=False)
        )


def _accepted_draft(run: Run, version: Version) -> Draft | None:
    """Accepting updates the draft too, unless it was edited since: what was asked for is the new baseline."""
    if run.draft_revision != run.asset_revision:
        return None
    if run.source not in (RunSource.GENERATE, RunSource.EXISTING) or not version.directions.strip():
        return None
    asked: dict[str, Any] = {
        name: s.value
        for name, s in version.settings.items()
        if s.source is SettingSource.OVERRIDE and name != DIRECTIONS
    }
    if asked.get("duration") == run.segment_duration:
        asked.pop("duration", None)  # the segment's own, which goes on to follow the segment
    return {"directions": version.directions, "settings": asked}
