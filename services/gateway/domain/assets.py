"""Assets: the parts of an episode that versions are generated for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from services.gateway.domain.projects import Project
from services.gateway.domain.versions import VersionRecord
from shared.contracts.values import AssetKind, ObjectRef, Output


@dataclass(frozen=True)
class RunBase:
    """What a new run of an asset builds on. `references`: uploads by id; `segment_duration` in seconds;
    `committing_image_run_id`: the run whose starting image is accepted and not committed yet."""

    project: Project
    output: Output
    references: Mapping[str, ObjectRef]
    committed: VersionRecord | None
    segment_duration: float | None
    starting_image_version_id: str | None
    previous_video_asset_id: str | None
    committing_image_run_id: str | None = None
    segment_style: str | None = None
    segment_characters: str | None = None


MAX_DIRECTIONS: Final = 4000
KINDS_OF_A_SEGMENT: Final = (AssetKind.STARTING_IMAGE, AssetKind.VIDEO, AssetKind.NARRATION)
Draft = dict[str, Any]
"""{directions, settings}; `settings` may name the model."""


@dataclass(frozen=True)
class Asset:
    """`active_run_id`: the run that holds the asset's lock. `revision` counts the edits of its draft."""

    asset_id: str
    project_id: str
    owner_id: str
    episode_id: str
    segment_id: str | None
    segment_number: int | None
    kind: AssetKind
    label: str
    draft: Draft | None
    active_run_id: str | None
    committed_version_id: str | None
    revision: int


@dataclass(frozen=True)
class NewAsset:
    asset_id: str
    kind: AssetKind
    label: str
    draft: Draft | None = None


def asset_label(kind: AssetKind, number: int | None) -> str:
    """The label of an asset that nobody named. It has the segment's number, so it changes when the segment moves."""
    match kind:
        case AssetKind.MUSIC:
            return "Music"
        case _:
            return f"Segment {number} {kind.replace('_', ' ')}"


def draft_of(directions: str | None) -> Draft | None:
    return {"directions": directions, "settings": {}} if directions and directions.strip() else None
