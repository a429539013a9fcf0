"""Films: compilations of committed versions."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from client.models.base import Model, Open, Resource


class CompilationStatus(Open):
    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"

    @property
    def terminal(self) -> bool:
        return self in (CompilationStatus.COMPLETED, CompilationStatus.FAILED, CompilationStatus.CANCELLED)


class StartedCompilation(Model):
    """The response of compile. `left_out` has the segments without a committed version."""

    compilation_job_id: str
    status: str
    estimated_duration: float | None = Field(None, description="seconds until the film is ready")
    left_out: list[Any] = []


class Compilation(Resource):
    episode_id: str | None = None
    status: CompilationStatus
    progress: float = 0
    message: str | None = None
    message_code: str | None = None
    message_args: dict[str, Any] = {}
    output_video_url: str | None = None
    output_duration: float | None = Field(None, description="seconds")
    output_file_size: int | None = Field(None, description="bytes")
    segments_included: int | None = None
    transition_style: str | None = Field(None, description="as requested")
    transitions: list[dict[str, Any]] = []
    audio_config: dict[str, Any] | None = None
    captions: str | None = None
    resolution: str | None = None
    fps: float | None = None
    frame_rate: str | None = None
    poster_url: str | None = None
    captions_url: str | None = Field(None, description="WebVTT")
    subtitles_url: str | None = Field(None, description="SubRip")
    timeline_url: str | None = Field(None, description="OpenTimelineIO")
    chapters: list[Any] | None = None
    segments: list[dict[str, Any]] = []
    queue_position: int | None = None
    completed_at: datetime | None = None
    handed_over_at: datetime | None = None
    loudness_lufs: float | None = None
    true_peak_dbtp: float | None = None
    warnings: list[Any] = []
    photosensitivity_warning: str | None = None
    report: dict[str, Any] | None = None
    provenance: str | None = None
    rating: int | None = None
    error_message: str | None = None
    recovery: str | None = None
