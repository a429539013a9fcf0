"""Segments of an episode."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from client.models.base import Model, Resource
from client.models.versions import Version


class Transition(Model):
    style: str = "cut"
    duration: float = Field(0.5, description="seconds")


class Segment(Resource):
    """A shot of the film. What describes a video describes the waiting preview, else the committed version."""

    episode_id: str | None = None
    segment_number: int
    type: str | None = None
    scene_info: dict[str, Any] = {}
    video_url: str | None = None
    thumbnail_url: str | None = None
    duration: float | None = Field(None, description="seconds")
    target_duration: float | None = Field(None, description="seconds, as requested")
    generation_params: dict[str, Any] | None = None
    quality_metrics: dict[str, Any] | None = None
    status: str | None = None
    approval_status: str | None = None
    version: int | None = None
    previous_versions: list[Any] = []
    resolution: str | None = None
    format: str | None = None
    file_size: int | None = None
    user_notes: str | None = None
    rejection_reason: str | None = Field(None, description="of the newest rejection of the video")
    approved_at: datetime | None = None
    scene_id: str | None = None
    shot_id: str | None = None
    style: str | None = Field(None, description="added to the project's style")
    characters: str | None = Field(None, description="added to the project's text about the characters")
    transition_after: Transition | None = None
    committed_version: Version | None = None
    waiting_run_id: str | None = None

    @property
    def title(self) -> str:
        """A short title for people: the location, else the description."""
        return str(self.scene_info.get("location") or self.scene_info.get("description") or "")


class SegmentStatus(Model):
    id: str
    segment_number: int
    status: str | None = None
    approval_status: str | None = None
    video_url: str | None = None
    thumbnail_url: str | None = None
    duration: float | None = None
    quality_score: float | None = None


class SegmentsStatus(Model):
    total_segments: int
    completed: int
    approved: int
    rejected: int
    failed: int = 0
    pending: int
    current_segment: int | None = None
    segments: list[SegmentStatus] = []
