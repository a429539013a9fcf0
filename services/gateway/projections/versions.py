"""A version was committed. The read model and the event log change in one transaction, so that a client that sees
`complete` also reads the new version."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from services.gateway.commands.stream_events import resource_event, run_event
from services.gateway.domain.assets import Draft
from services.gateway.domain.messages import Message
from services.gateway.domain.run_parameters import MODEL
from services.gateway.domain.runs import GeneratorState, Run
from services.gateway.domain.versions import VersionStatus
from services.gateway.projections.imports import import_run_ended
from services.gateway.projections.reviews import accept_run
from services.gateway.store.unit_of_work import Store
from shared.contracts.events.generator import Complete
from shared.contracts.settings_resolver import PROMPT_CHANGES
from shared.contracts.values import AssetKind, RunSource, SettingSource, Version


async def apply_complete(store: Store, event: Complete) -> None:
    at = event.updated_at
    run = await store.runs.lock(event.run_id)
    if run is None:
        return
    version = event.version
    await store.versions.store(run, [(version, VersionStatus.ACCEPTED)], at)
    state = run.state.apply_generator(GeneratorState.COMPLETE, event.run_rev)
    if state.generator is run.state.generator:
        return
    if run.state.review is not state.review:  # `complete` overtook `accepted`: clients receive both, in order
        review = await store.reviews.decisive(run.run_id)
        run = await accept_run(
            store,
            run,
            run.state.with_acceptance(),
            version.version_id,
            event.actor,
            review.review_id if review else None,
            at,
        )
    code = f"complete.{run.kind}"
    updated_at = await store.runs.save(
        run,
        state,
        at,
        version_id=version.version_id,
        cost=event.cost.model_dump(mode="json"),
        provider=version.provider,
        settings={n: s.model_dump(mode="json") for n, s in version.settings.items()},
        step="complete",
        percent=100.0,
        message_code=code,
        message_args={},
        heard_at=at,
        finished_at=at,
    )
    await store.runs.add_step(run, "complete", "complete", code, {}, run.attempt, at)
    draft = _accepted_draft(run, version)
    if await store.assets.commit(run.asset_id, run.run_id, version.version_id, event.commit_seq, draft, at):
        await _update_episode(store, run, event)
    await store.log(
        run_event(
            "complete", run, state.status, updated_at, Message(code, {}), event.actor, version_id=version.version_id
        )
    )
    if run.import_id:
        await import_run_ended(store, run, None)
    if run.live_batch_id:
        await store.wake_batch(run.live_batch_id)


async def _update_episode(store: Store, run: Run, event: Complete) -> None:
    """What the commit changes in the rest of the episode."""
    version, at = event.version, event.updated_at
    await store.versions.mark_committed(version.version_id, at)
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
    await store.episodes.add_revision(run.episode_id, "commit", event.actor, details, at)
    if run.segment_id and run.kind in (AssetKind.VIDEO, AssetKind.STARTING_IMAGE):
        await _mark_stale(store, run, run.segment_id, at)


async def _mark_stale(store: Store, run: Run, segment_id: str, at: datetime) -> None:
    """A video is stale if it was made from another starting image than the committed one."""
    for asset_id in await store.assets.mark_stale(segment_id, at):
        await store.log(
            resource_event("changed", run.project_id, run.episode_id, at, resource="asset", id=asset_id, deleted=False)
        )


def _accepted_draft(run: Run, version: Version) -> Draft | None:
    """The accepted directions and a model that was chosen for the run become the draft; its other settings stay as a
    person typed them, because a seed or a duration given for one run must not repeat in every later one. None: a person
    has edited the draft since the run began, so it stays as it is."""
    if run.draft_revision != run.asset_revision:
        return None
    if run.source not in (RunSource.GENERATE, RunSource.EXISTING) or not version.directions.strip():
        return None
    typed: dict[str, Any] = (run.asset_draft or {}).get("settings") or {}
    settings = {name: value for name, value in typed.items() if name not in PROMPT_CHANGES}  # the version has them now
    model = version.settings.get(MODEL)
    if model is not None and model.source is SettingSource.OVERRIDE:
        settings[MODEL] = model.value
    return {"directions": version.directions, "settings": settings}
