"""An episode from a document that may bring starting images: uploaded ones, or URLs that are fetched once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.gateway.commands.create_episode import write_episode
from services.gateway.commands.import_runs import ImportedFile, base_for_imports, enter_imports
from services.gateway.commands.ports import Caller, Store
from services.gateway.commands.rows import Import, Upload
from services.gateway.domain.documents import EpisodePlan, parse_document
from services.gateway.domain.episodes import NewSegment
from services.gateway.domain.errors import invalid
from shared.contracts.values import AssetKind


@dataclass(frozen=True)
class ImportDocument:
    """`title` is used instead of the document's."""

    document: Mapping[str, Any]
    title: str | None = None


@dataclass(frozen=True)
class ImportStarted:
    import_id: str
    episode_id: str


async def import_document(store: Store, caller: Caller, command: ImportDocument) -> ImportStarted:
    """The episode is there at once; the import completes when its images are versions. Raises Refusal invalid."""
    plan = parse_document(command.document, title=command.title)
    uploads = await _uploads(store, caller, plan)
    episode, segments = await write_episode(store, caller, plan)
    files = list(_files(plan, segments, uploads))
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
    base = await base_for_imports(store, episode)
    await enter_imports(store, episode, base, files, started.import_id, caller.actor)
    return started


async def _uploads(store: Store, caller: Caller, plan: EpisodePlan) -> dict[str, Upload]:
    named = {
        i: s.starting_image.upload_id
        for i, s in enumerate(plan.segments)
        if s.starting_image and s.starting_image.upload_id
    }
    found = await store.uploads.of_project(caller.project_id, sorted(set(named.values())))
    problems = [
        (f"/segments/{i}/starting_image/upload_id", "there is no such upload of an image")
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
