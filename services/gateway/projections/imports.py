"""What the generator reports of an import."""

from __future__ import annotations

from datetime import datetime

from services.gateway.commands.imports import ImportedFile, admit_imported_files, withdraw_import
from services.gateway.commands.run_admission import base_of_new_asset
from services.gateway.commands.segments import segment_assets
from services.gateway.commands.stream_events import resource_event
from services.gateway.commands.timeline import publish_timeline
from services.gateway.domain.imports import Import
from services.gateway.domain.messages import Message
from services.gateway.domain.runs import Run
from services.gateway.domain.segments import NewSegment
from services.gateway.store.unit_of_work import Store
from shared.contracts.events.generator import Failed, ImportReady, Progress
from shared.contracts.values import Actor, AssetKind, SegmentType

_ENDED = ("completed", "failed", "cancelled")


async def apply_import_progress(store: Store, event: Progress, at: datetime) -> None:
    row = await store.imports.lock(event.import_id or event.subject)
    if row is None or row.status in _ENDED or event.run_rev <= row.run_rev:
        return
    percent = event.percent or 0.0
    await store.imports.save(row.import_id, at, status="processing", percent=percent, run_rev=event.run_rev)
    await store.log(
        resource_event(
            "progress",
            row.project_id,
            row.episode_id,
            at,
            status="processing",
            news=Message(event.message_code, event.message_args),
            actor=row.actor,
            import_id=row.import_id,
            step=event.step,
            percent=event.percent,
        )
    )


async def apply_import_failed(store: Store, event: Failed, at: datetime) -> None:
    row = await store.imports.lock(event.import_id or event.subject)
    if row is None or row.status in _ENDED:
        return
    problem = event.problem.model_dump(mode="json")
    await store.imports.save(row.import_id, at, status=event.outcome, run_rev=event.run_rev, error=problem)
    await store.log(
        resource_event(
            "failed",
            row.project_id,
            row.episode_id,
            at,
            status=event.outcome,
            news=Message("import.failed", {"cause": event.problem.cause}),
            actor=row.actor,
            import_id=row.import_id,
            error=problem,
        )
    )
    await withdraw_import(store, row, Actor(kind="system"))


async def import_run_ended(store: Store, run: Run, problem: str | None) -> None:
    """One run of an import ended. `problem`: why its file became no version; the import continues with a warning."""
    assert run.import_id is not None
    row = await store.imports.lock(run.import_id)
    if row is None or row.status in _ENDED:
        return
    left, total = await store.imports.runs_left(row.import_id)
    warnings = [*row.warnings, problem] if problem else list(row.warnings)
    await store.imports.save(
        row.import_id,
        store.now(),
        status="processing" if left else "completed",
        warnings=warnings,
        percent=round(100 * (total - left) / total, 1) if total else 100.0,
    )
    if left == 0:
        await _log_ready(store, row)


async def apply_import_ready(store: Store, event: ImportReady) -> None:
    """A film was split into clips: each becomes a segment, and its clip and first frame become versions by own runs."""
    row = await store.imports.lock(event.import_id)
    episode = await store.episodes.lock(event.episode_id)
    if row is None or row.status in _ENDED or row.clips_taken or episode is None:
        return
    now = store.now()
    segments = []
    files: list[ImportedFile] = []
    for number, clip in enumerate(sorted(event.clips, key=lambda c: c.number), 1):
        assets = segment_assets(store, number, {})
        segment = NewSegment(store.new_id(), number, SegmentType.SHOT, duration=clip.duration_s, assets=tuple(assets))
        segments.append(segment)
        objects = {AssetKind.STARTING_IMAGE: clip.first_frame, AssetKind.VIDEO: clip.video}
        files += [ImportedFile(segment, asset, objects[asset.kind], None) for asset in assets if asset.kind in objects]
    await store.episodes.insert_segments(episode, segments, now)
    await store.imports.save(
        row.import_id,
        now,
        status="processing" if files else "completed",
        clips_taken=True,
        warnings=[*row.warnings, *event.warnings],
    )
    await publish_timeline(store, episode)
    base = await base_of_new_asset(store, episode)
    await admit_imported_files(store, episode, base, files, row.import_id, row.actor)
    if not files:
        await _log_ready(store, row)


async def _log_ready(store: Store, row: Import) -> None:
    await store.log(
        resource_event(
            "import-ready",
            row.project_id,
            row.episode_id,
            store.now(),
            status="completed",
            actor=row.actor,
            import_id=row.import_id,
        )
    )
