"""Episodes: segments in order, each with assets; batches over them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from client.models.base import Model, Open, Problem, Resource, Settings
from client.models.runs import Kind, Run, Version


class Output(Model):
    """The film's frame: width and height in pixels, frames per second, how a picture of another shape fits."""

    width: int = 1920
    height: int = 1080
    fps: float = 24
    fit: str = "blur"


class Transition(Model):
    style: str = "cut"
    duration: float = Field(0.5, description="seconds")


class Draft(Model):
    """What the next run uses where the request leaves something out."""

    directions: str | None = None
    settings: dict[str, Any] = {}
    revision: int | None = None


class Asset(Resource):
    """A slot that can be regenerated; its id never changes."""

    project_id: str | None = None
    episode_id: str | None = None
    segment_id: str | None = None
    segment_number: int | None = None
    kind: Kind
    label: str | None = None
    draft: Draft | None = None
    defaults: Settings = {}
    committed: Version | None = None
    committed_at: datetime | None = None
    preview: Run | None = None
    active_run_id: str | None = None
    stale: dict[str, Any] | None = None


class Segment(Resource):
    """A shot of the film. What describes a video describes the waiting preview, else the committed version."""

    episode_id: str | None = None
    segment_number: int
    type: str | None = None
    scene_info: dict[str, Any] = {}
    video_url: str | None = None
    thumbnail_url: str | None = None
    duration: float | None = Field(None, description="seconds")
    target_duration: float | None = Field(None, description="seconds, as asked for")
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
    approved_at: datetime | None = None
    scene_id: str | None = None
    shot_id: str | None = None
    transition_after: Transition | None = None
    committed_version: Version | None = None
    waiting_run_id: str | None = None

    @property
    def title(self) -> str:
        """A few words that tell a reader which segment this is."""
        return str(self.scene_info.get("location") or self.scene_info.get("description") or "")


class Episode(Resource):
    project_id: str | None = None
    title: str
    description: str | None = None
    output: Output | None = None
    segments: list[Segment] = []
    assets: list[Asset] = []
    order_revision: int | None = None
    cursor: str | None = Field(None, description="the place in the event stream that this snapshot tells of")

    def segment(self, number: int) -> Segment | None:
        return next((s for s in self.segments if s.segment_number == number), None)

    def asset(self, kind: Kind, segment_id: str | None = None) -> Asset | None:
        """The asset of this kind: of a segment, or of the whole episode (music)."""
        return next((a for a in self.assets if a.kind is kind and a.segment_id == segment_id), None)


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


class BatchStatus(Open):
    RUNNING = "running"
    WAITING_REVIEW = "waiting_review"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"

    @property
    def terminal(self) -> bool:
        return self in (BatchStatus.COMPLETED, BatchStatus.FAILED, BatchStatus.CANCELLED)


class BatchItem(Model):
    """What a batch makes, or has left with a problem."""

    asset_id: str | None = None
    segment_id: str | None = None
    segment_number: int | None = None
    kind: Kind
    state: str | None = None
    run_id: str | None = None
    problem: Problem | None = None


class Batch(Resource):
    episode_id: str | None = None
    mode: str | None = None
    status: BatchStatus
    completed: int = 0
    approved: int = 0
    failed: int = 0
    total: int = 0
    current_segment: int | None = None
    message: str | None = None
    items: list[BatchItem] = []
    error: Problem | None = None
    compilation_job_id: str | None = None


class StartedBatch(Model):
    """The answer of generate-segments: `job_id` is the batch's id."""

    job_id: str
    total_segments: int
    status: str


class Revision(Model):
    """An entry in an episode's history."""

    number: int | None = None
    change: str | None = None
    details: Any = None
    actor: dict[str, Any] | None = None
    created_at: datetime | None = None
