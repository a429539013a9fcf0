"""Projects, episodes, segments and assets as the use cases see them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from shared.contracts.values import AssetKind, Output, SegmentType

MAX_SEGMENTS: Final = 500
MAX_DIRECTIONS: Final = 4000
KINDS_OF_A_SEGMENT: Final = (AssetKind.STARTING_IMAGE, AssetKind.VIDEO, AssetKind.NARRATION)

Draft = dict[str, Any]
"""{directions, settings}"""


@dataclass(frozen=True)
class Project:
    project_id: str
    owner_id: str
    name: str
    description: str
    settings: dict[str, Any]
    settings_revision: int
    revision: int


@dataclass(frozen=True)
class Episode:
    episode_id: str
    project_id: str
    owner_id: str
    title: str
    description: str
    output: Output
    revision: int
    order_revision: int
    timeline_version: int


@dataclass(frozen=True)
class Segment:
    """`number` counts from 1 in film order; None once deleted."""

    segment_id: str
    episode_id: str
    project_id: str
    number: int | None
    type: SegmentType
    scene_info: dict[str, Any]
    duration: float | None
    user_notes: str
    transition_after: dict[str, Any] | None
    revision: int = 1


@dataclass(frozen=True)
class Asset:
    """A slot with an id that never changes. `active_run_id` is its lock, `revision` counts edits of its draft."""

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


@dataclass(frozen=True)
class NewSegment:
    segment_id: str
    number: int
    type: SegmentType
    scene_info: dict[str, Any] = field(default_factory=dict)
    duration: float | None = None
    transition_after: dict[str, Any] | None = None
    assets: tuple[NewAsset, ...] = ()


def label(kind: AssetKind, number: int | None) -> str:
    """What people call an asset that nobody named. Follows the segment's number, so it changes when it moves."""
    match kind:
        case AssetKind.MUSIC:
            return "Music"
        case _:
            return f"Segment {number} {kind.replace('_', ' ')}"


def draft_of(directions: str | None) -> Draft | None:
    return {"directions": directions, "settings": {}} if directions and directions.strip() else None
