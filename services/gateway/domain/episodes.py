"""Episodes and their segments."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from services.gateway.domain.assets import NewAsset
from shared.contracts.values import Output, SegmentType

MAX_SEGMENTS: Final = 500


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
class NewSegment:
    segment_id: str
    number: int
    type: SegmentType
    scene_info: dict[str, Any] = field(default_factory=dict)
    duration: float | None = None
    transition_after: dict[str, Any] | None = None
    assets: tuple[NewAsset, ...] = ()
