"""Episodes: segments in order, each with assets."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from client.models.assets import Asset
from client.models.base import AssetKind, Model, Resource
from client.models.segments import Segment


class Output(Model):
    """The format of the film: width and height in pixels, frame rate (`frame_rate`: the exact fraction), and how other
    aspect ratios are fitted."""

    width: int = 1920
    height: int = 1080
    fps: float = 24
    frame_rate: str | None = None
    fit: str = "blur"


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
