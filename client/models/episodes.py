"""Episodes: segments in order, each with assets."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from client.models.assets import Asset
from client.models.base import AssetKind, Model, Resource
from client.models.segments import Segment, Transition


class Output(Model):
    """The format of the film: width and height in pixels, frame rate (`frame_rate`: the exact fraction), and how other
    aspect ratios are fitted."""

    width: int = 1920
    height: int = 1080
    fps: float = 24
    frame_rate: str | None = None
    fit: str = "blur"


class SegmentOutline(Model):
    """What a timeline shows of a segment."""

    id: str
    segment_number: int
    type: str | None = None
    location: str | None = None
    description: str | None = None
    status: str | None = None
    approval_status: str | None = None
    video_url: str | None = None
    thumbnail_url: str | None = None
    filmstrip_url: str | None = None
    duration: float | None = None
    quality_score: float | None = None
    version: int | None = None
    committed: bool = False
    waiting_run_id: str | None = None
    transition_after: Transition | None = None
    assets: dict[str, str] = {}
    revision: int | None = None
    updated_at: datetime | None = None


class AssetOutline(Model):
    """The state of an asset."""

    id: str
    kind: AssetKind
    label: str | None = None
    segment_id: str | None = None
    has_draft: bool = False
    committed_version_id: str | None = None
    committed_at: datetime | None = None
    active_run_id: str | None = None
    active_status: str | None = None
    stale: bool = False
    revision: int | None = None
    updated_at: datetime | None = None


class EpisodeOutline(Resource):
    """An episode as a timeline shows it, without versions and settings."""

    project_id: str | None = None
    title: str
    description: str | None = None
    output: Output | None = None
    segments: list[SegmentOutline] = []
    assets: list[AssetOutline] = []
    order_revision: int | None = None
    cursor: str | None = Field(None, description="position in the event stream of this snapshot")


class Episode(Resource):
    project_id: str | None = None
    title: str
    description: str | None = None
    output: Output | None = None
    segments: list[Segment] = []
    assets: list[Asset] = []
    order_revision: int | None = None
    cursor: str | None = Field(None, description="position in the event stream of this snapshot")

    def segment(self, number: int) -> Segment | None:
        return next((s for s in self.segments if s.segment_number == number), None)

    def asset(self, kind: AssetKind, segment_id: str | None = None) -> Asset | None:
        """The asset of this kind: of a segment, or of the whole episode (music)."""
        return next((a for a in self.assets if a.kind is kind and a.segment_id == segment_id), None)


class Revision(Model):
    """An entry in an episode's history."""

    number: int | None = None
    change: str | None = None
    details: Any = None
    actor: dict[str, Any] | None = None
    created_at: datetime | None = None
