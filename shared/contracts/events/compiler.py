"""Events that the compiler owns."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar, Literal

from pydantic import Field

from shared.contracts.base import Event
from shared.contracts.values import Media, ObjectRef, Problem, Timestamp, Value


class FilmState(StrEnum):
    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Chapter(Value):
    title: str
    start_s: float


class FilmReport(Value):
    """What a compilation reused and what it had to render."""

    pieces_reused: int = 0
    pieces_rendered: int = 0
    seconds: float = 0
    loudness_lufs: float | None = None
    true_peak_dbtp: float | None = None
    unmeasured: dict[str, str] = {}
    chapters: list[Chapter] = []


class FilmUpdated(Event):
    TOPIC: ClassVar[str] = "film-updated"

    episode_id: str
    compilation_id: str
    rev: int
    state: FilmState
    progress: float = Field(0, ge=0, le=100)
    message_code: str | None = None
    estimated_duration_s: float | None = None
    queue_position: int | None = None
    object: ObjectRef | None = None
    poster: ObjectRef | None = None
    media: Media | None = None
    segments_included: int | None = None
    report: FilmReport | None = None
    warnings: list[str] = []
    provenance: Literal["pending", "signed", "unsigned"] | None = Field(
        None, description="unsigned: it could not be signed, and stays so; `warnings` says it in words"
    )
    problem: Problem | None = None
    completed_at: Timestamp | None = None
    files: dict[str, ObjectRef] = Field({}, description="captions.vtt, captions.srt, timeline.otio")

    @property
    def key(self) -> str:
        return self.episode_id

    @property
    def subject(self) -> str:
        return self.compilation_id
