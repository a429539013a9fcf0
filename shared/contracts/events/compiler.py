"""The events that the compiler publishes."""

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
    """A chapter of the film."""

    title: str = Field(description="The scene's number and place, else what it is about, else the segment's name.")
    start_s: float = Field(description="Seconds from the film's start.")


class FilmReport(Value):
    """What a compilation reused, what it had to render, and how the film measures."""

    pieces_reused: int = Field(0, description="Pieces that had been rendered before.")
    pieces_rendered: int = Field(0, description="Pieces that this compilation rendered.")
    seconds: float = Field(0, description="How long the compilation took, in seconds.")
    loudness_lufs: float | None = Field(None, description="Integrated loudness in LUFS (EBU R 128).")
    true_peak_dbtp: float | None = Field(None, description="True peak in dBTP.")
    unmeasured: dict[str, str] = Field({}, description="Measure -> why it is null.")
    chapters: list[Chapter] = Field([], description="The film's chapters in order; the first one begins at 0.")


class FilmUpdated(Event):
    """A compilation changed its state, its progress, or its file."""

    TOPIC: ClassVar[str] = "film-updated"

    episode_id: str = Field(description="The episode that the film is of; it is the key of the record.")
    compilation_id: str = Field(description="The compilation.")
    rev: int = Field(description="Counts the changes of the compilation; ignore a lower one than already applied.")
    state: FilmState = Field(description="What the compilation has come to.")
    progress: float = Field(0, ge=0, le=100, description="Percent.")
    message_code: str | None = Field(None, description="Code of the message catalogue.")
    estimated_duration_s: float | None = Field(None, description="Estimated seconds until the film is ready.")
    queue_position: int | None = Field(None, description="Compilations ahead in the queue.")
    object: ObjectRef | None = Field(None, description="The film's file, once completed.")
    unsigned: ObjectRef | None = Field(
        None,
        description="The file as it was before signing, once `object` is the signed one. It stays readable.",
    )
    poster: ObjectRef | None = Field(None, description="A still picture of the film, once completed.")
    media: Media | None = Field(None, description="The film as probed, once completed.")
    segments_included: int | None = Field(None, description="Number of segments in the film, once completed.")
    report: FilmReport | None = Field(None, description="How the film was made and measures, once completed.")
    warnings: list[str] = Field([], description="Remarks about the film, as sentences for users.")
    provenance: Literal["pending", "signed", "unsigned"] | None = Field(
        None,
        description="Content Credentials: `pending` until the signed file follows; `unsigned` if signing failed "
        "permanently, with the reason in `warnings`.",
    )
    problem: Problem | None = Field(None, description="Why the compilation failed.")
    completed_at: Timestamp | None = Field(None, description="When the film was ready; null: it is not.")
    files: dict[str, ObjectRef] = Field(
        {}, description="File name -> object: captions.vtt, captions.srt, timeline.otio."
    )

    @property
    def key(self) -> str:
        return self.episode_id

    @property
    def subject(self) -> str:
        return self.compilation_id
