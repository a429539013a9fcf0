"""Files that come with an import become versions by runs of their own, approved at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.gateway.commands.enter_run import RunOrder, enter_run
from services.gateway.commands.ports import Store
from services.gateway.commands.rows import RunBase
from services.gateway.domain.changes import Wanted
from services.gateway.domain.episodes import (
    KINDS_OF_A_SEGMENT,
    Asset,
    Episode,
    NewAsset,
    NewSegment,
    draft_of,
    label,
)
from services.gateway.domain.errors import not_found
from shared.contracts.values import Actor, AssetKind, ObjectRef, RunSource


@dataclass(frozen=True)
class ImportedFile:
    """Either an object or a URL, for an asset that was just made."""

    segment: NewSegment
    asset: NewAsset
    object: ObjectRef | None
    url: str | None


def segment_assets(store: Store, number: int, drafts: Mapping[AssetKind, str]) -> list[NewAsset]:
    """Every segment has one asset of each of its kinds, from the beginning and for ever."""
    return [
        NewAsset(store.new_id(), kind, label(kind, number), draft_of(drafts.get(kind))) for kind in KINDS_OF_A_SEGMENT
    ]


async def base_for_imports(store: Store, episode: Episode) -> RunBase:
    """New assets have nothing to build on but their project."""
    project = await store.projects.get(episode.project_id)
    if project is None:
        raise not_found("project")
    return RunBase(project, episode.output, {}, None, None, None, None)


async def enter_imports(
    store: Store, episode: Episode, base: RunBase, files: Sequence[ImportedFile], import_id: str, actor: Actor
) -> None:
    for file in files:
        draft = file.asset.draft or {}
        await enter_run(
            store,
            RunOrder(
                asset=_fresh(store, episode, file),
                base=base,
                actor=actor,
                review_timeout_s=None,
                wanted=Wanted(draft.get("directions")),
                source=RunSource.IMPORT,
                auto_approve=True,
                import_id=import_id,
                input_object=file.object,
                input_url=file.url,
            ),
        )


def _fresh(store: Store, episode: Episode, file: ImportedFile) -> Asset:
    """The asset as this transaction has just written it."""
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
