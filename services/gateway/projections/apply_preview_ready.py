"""Candidates are there. Clients are told once the review is open too, because only then can somebody decide."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from services.gateway.commands.announce import of_run, preview_text
from services.gateway.commands.ports import Entry, Store
from services.gateway.commands.rows import Run
from services.gateway.domain.runs import Made, Track, version_status
from services.gateway.domain.times import rfc3339
from shared.contracts.events.generator import PreviewReady
from shared.messaging.events import Message


async def apply_preview_ready(store: Store, told: Message[PreviewReady]) -> None:
    event, at = told.event, told.envelope.time
    run = await store.runs.lock(event.run_id)
    if run is None:
        return
    track = run.track.hear_generator(Made.PREVIEW_READY, event.run_rev)
    candidates = [(v, version_status(track, chosen=v.version_id == run.version_id)) for v in event.candidates]
    await store.versions.store(run, candidates, at)
    facts: dict[str, Any] = {
        "candidates": [v.version_id for v in event.candidates],
        "lost": [p.model_dump(mode="json") for p in event.problems],
        "provider": event.candidates[0].provider,
        "settings": {n: s.model_dump(mode="json") for n, s in event.candidates[0].settings.items()},
    }
    if track != run.track:
        facts |= {"cost": event.cost.model_dump(mode="json"), "heard_at": at}
    if track.status.value == Made.PREVIEW_READY:
        facts |= {"step": "preview_ready", "percent": 100.0, "message_code": f"preview.{run.kind}", "message_args": {}}
    announced = announces(run, track)
    moved = await store.runs.save(run, track, at, announced=run.announced or announced, **facts)
    if track != run.track:
        await store.runs.note_step(run, "preview_ready", "preview_ready", f"preview.{run.kind}", {}, run.attempt, at)
    if announced:
        shown = [preview(v.model_dump(mode="json"), event.label) for v in event.candidates]
        await store.log(preview_entry(run, track, moved, shown, run.deadline))
    if run.batch_now and not run.auto_approve:
        await store.wake_batch(run.batch_now)


def announces(run: Run, track: Track) -> bool:
    """Once, and only what a person can decide."""
    return track.awaits_person and not run.announced and not run.auto_approve


def preview(version: dict[str, Any], label: str) -> dict[str, Any]:
    """A candidate as `preview-ready` shows it: as probed, not as asked for."""
    media = version["media"]
    return {
        "version_id": version["version_id"],
        "number": version["version_number"],
        "label": label,
        "directions": version["directions"],
        "model": version["model"],
        "duration": media.get("duration_s"),
        "resolution": media.get("resolution"),
        "aspect_ratio": media.get("aspect_ratio"),
    }


def preview_entry(
    run: Run, track: Track, at: datetime, shown: list[dict[str, Any]], deadline: datetime | None
) -> Entry:
    return of_run(
        "preview-ready",
        run,
        track.status,
        at,
        preview_text(run),
        run.actor,
        deadline=rfc3339(deadline) if deadline else None,
        versions=shown,
    )
