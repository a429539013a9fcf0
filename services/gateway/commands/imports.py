"""Import documents and films; the files of an import become versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from services.gateway.commands.accounts import check_storage
from services.gateway.commands.episodes import write_episode
from services.gateway.commands.run_admission import RunSpec, admit_run, base_of_new_asset
from services.gateway.commands.runs import stop_run
from services.gateway.commands.stream_events import resource_event
from services.gateway.commands.timeline import publish_timeline
from services.gateway.domain.accounts import Caller
from services.gateway.domain.assets import Asset, NewAsset, RunBase
from services.gateway.domain.documents import EpisodePlan, parse_document
from services.gateway.domain.episodes import Episode
from services.gateway.domain.errors import invalid, invalid_state
from services.gateway.domain.imports import Import
from services.gateway.domain.outputs import merged_output, output_of_source
from services.gateway.domain.run_parameters import RunParameters
from services.gateway.domain.runs import CANCELLABLE
from services.gateway.domain.segments import NewSegment
from services.gateway.domain.uploads import Upload
from services.gateway.store.unit_of_work import Store
from shared.contracts.events.gateway import CancelRequested, CancelTarget, ImportRequested
from shared.contracts.values import Actor, AssetKind, ObjectRef, RunSource


@dataclass(frozen=True)
class ImportStarted:
    import_id: str
    episode_id: str


@dataclass(frozen=True)
class ImportDocument:
    """`title` replaces the document's own, `output` fields of the document's."""

    document: Mapping[str, Any]
    title: str | None = None
    output: Mapping[str, Any] | None = None


async def import_document(store: Store, caller: Caller, command: ImportDocument) -> ImportStarted:
    """The episode is created at once; the import completes when the starting images of the document have become
    versions. Raises Refusal invalid, storage-full."""
    plan = parse_document(command.document, title=command.title)
    plan = replace(plan, output=merged_output(plan.output or {}, command.output or {}))
    uploads = await _uploads_of(store, caller, plan)
    episode, segments = await write_episode(store, caller, plan)
    files = list(_files(plan, segments, uploads))
    if files:
        await check_storage(store, caller.project_id)
    started = ImportStarted(store.new_id(), episode.episode_id)
    await store.imports.insert(
        Import(
            import_id=started.import_id,
            project_id=caller.project_id,
            owner_id=caller.owner_id,
            episode_id=episode.episode_id,
            source="document",
            status="processing" if files else "completed",
            run_rev=-1,
            actor=caller.actor,
            warnings=plan.warnings,
            percent=0 if files else 100,
        ),
        store.now(),
    )
    base = await base_of_new_asset(store, episode)
    await admit_imported_files(store, episode, base, files, started.import_id, caller.actor)
    return started


async def _uploads_of(store: Store, caller: Caller, plan: EpisodePlan) -> dict[str, Upload]:
    named = {
        i: s.starting_image.upload_id
        for i, s in enumerate(plan.segments)
        if s.starting_image and s.starting_image.upload_id
    }
    found = await store.uploads.of_project(caller.project_id, sorted(set(named.values())))
    problems = [
        (f"/segments/{i}/starting_image/upload_id", "is not an uploaded image of this project")
        for i, upload_id in named.items()
        if (upload := found.get(upload_id)) is None or upload.kind != "image"
    ]
    if problems:
        raise invalid(*problems)
    return found


def _files(plan: EpisodePlan, segments: Sequence[NewSegment], uploads: Mapping[str, Upload]) -> list[ImportedFile]:
    files = []
    for row, segment in zip(plan.segments, segments, strict=True):
        if row.starting_image is None:
            continue
        asset = next(a for a in segment.assets if a.kind is AssetKind.STARTING_IMAGE)
        image = row.starting_image
        files.append(
            ImportedFile(segment, asset, uploads[image.upload_id].object if image.upload_id else None, image.url)
        )
    return files


@dataclass(frozen=True)
class ImportedFile:
    """A file, as an object or as a URL, for an asset that was created with the import."""

    segment: NewSegment
    asset: NewAsset
    object: ObjectRef | None
    url: str | None


async def admit_imported_files(
    store: Store, episode: Episode, base: RunBase, files: Sequence[ImportedFile], import_id: str, actor: Actor
) -> None:
    """Each file becomes a version by a run of its own, approved without a person."""
    for file in files:
        draft = file.asset.draft or {}
        await admit_run(
            store,
            RunSpec(
                asset=_new_asset(episode, file),
                base=base,
                actor=actor,
                review_timeout_s=None,
                parameters=RunParameters(draft.get("directions")),
                source=RunSource.IMPORT,
                auto_approve=True,
                import_id=import_id,
                input_object=file.object,
                input_url=file.url,
            ),
        )


def _new_asset(episode: Episode, file: ImportedFile) -> Asset:
    """The asset as this transaction has written it."""
    return Asset(
        asset_id=file.asset.asset_id,
        project_id=episode.project_id,
        owner_id=episode.owner_id,
        episode_id=episode.episode_id,
        segment_id=file.segment.segment_id,
        segment_number=file.segment.number,
        kind=file.asset.kind,
        label=file.asset.label,
        draft=file.asset.draft,
        active_run_id=None,
        committed_version_id=None,
        revision=1,
    )


@dataclass(frozen=True)
class ImportFilm:
    """An uploaded film that becomes an episode. `scene_threshold` (0-1): how different two frames must be to count as a
    cut; None: the generator's default. `output` replaces what follows from the film: its shape, size and rate."""

    upload_id: str
    title: str | None = None
    scene_threshold: float | None = None
    output: Mapping[str, Any] | None = None


async def import_film(store: Store, caller: Caller, command: ImportFilm) -> ImportStarted:
    """The episode is created at once; the generator splits the film at its cuts. Raises Refusal invalid,
    storage-full."""
    await check_storage(store, caller.project_id)
    found = await store.uploads.of_project(caller.project_id, [command.upload_id])
    upload = found.get(command.upload_id)
    if upload is None or upload.kind != "video":
        raise invalid(("/upload_id", "is not a video that was uploaded to this project; upload it first"))
    source = output_of_source(upload.width, upload.height, upload.fps)
    plan = EpisodePlan(
        title=command.title or upload.filename.rsplit(".", 1)[0] or "Film",
        output=merged_output(source, command.output or {}),
    )
    episode, _ = await write_episode(store, caller, plan)
    import_id = store.new_id()
    await store.imports.insert(
        Import(
            import_id=import_id,
            project_id=caller.project_id,
            owner_id=caller.owner_id,
            episode_id=episode.episode_id,
            source="film",
            status="pending",
            run_rev=-1,
            actor=caller.actor,
            upload_id=command.upload_id,
        ),
        store.now(),
    )
    await store.publish(
        caller.project_id,
        caller.owner_id,
        ImportRequested(
            import_id=import_id,
            episode_id=episode.episode_id,
            object=upload.object,
            scene_threshold=command.scene_threshold,
            actor=caller.actor,
        ),
    )
    return ImportStarted(import_id, episode.episode_id)


async def cancel_import(store: Store, caller: Caller, import_id: str) -> None:
    """Active runs are cancelled, and a film is not split any further. Raises Refusal not-found, invalid-state."""
    runs = [await store.runs.lock(run_id) for run_id in await store.imports.active_runs(import_id)]
    row = caller.owned(await store.imports.lock(import_id), "import")
    if row.status not in ("pending", "processing"):
        raise invalid_state("import", row.status, ["pending", "processing"])
    now = store.now()
    await store.imports.save(import_id, now, status="cancelled", cancel_requested_at=now)
    for run in runs:
        if run and run.status in CANCELLABLE:
            await stop_run(store, run, caller.actor)
    if row.source == "film":
        await store.publish(
            row.project_id,
            row.owner_id,
            CancelRequested(
                target=CancelTarget.IMPORT, target_id=import_id, episode_id=row.episode_id, actor=caller.actor
            ),
        )
    await store.log(
        resource_event(
            "failed",
            row.project_id,
            row.episode_id,
            now,
            status="cancelled",
            actor=caller.actor,
            import_id=import_id,
            error=None,
        )
    )
    await withdraw_import(store, row, caller.actor)


async def withdraw_import(store: Store, row: Import, actor: Actor) -> None:
    """Deletes the empty episode of a film that was not split, unless a person has added a segment meanwhile."""
    if row.source != "film" or row.clips_taken:
        return
    episode = await store.episodes.lock(row.episode_id)
    if episode is None or await store.episodes.segment_ids(row.episode_id):
        return
    now = store.now()
    assets = await store.episodes.delete(row.episode_id, now)
    await publish_timeline(store, episode, deleted=True, deleted_asset_ids=assets)
    await store.log(
        resource_event(
            "changed",
            row.project_id,
            row.episode_id,
            now,
            actor=actor,
            resource="episode",
            id=row.episode_id,
            deleted=True,
        )
    )
