"""Compilations: films and how they are made."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from services.gateway.api.schemas.base import (
    EXAMPLE_ID,
    Body,
    Dated,
    GivenId,
    Id,
    ListOf,
    Number,
    Resource,
    Timestamp,
    Url,
    Whole,
    absent,
    shown,
)
from services.gateway.api.schemas.sound import AudioConfig
from shared.contracts.values import CaptionMode, TransitionStyle


class FilmSegment(Resource):
    """A segment in a film, with the version that was used."""

    segment_id: Id
    version_id: Id


class LeftOut(Resource):
    """A segment that is not in the film."""

    segment_id: Id
    reason: str = Field(description="Why.")


class Chapter(Resource):
    """Where a segment begins in the film."""

    title: str = Field(description="For people.")
    start: float = Field(description="Seconds from the film's beginning.")


class FilmReport(Resource):
    """How a film was made."""

    pieces_reused: int | None = Field(description="Parts that were there already.")
    pieces_rendered: int | None = Field(description="Parts that had to be rendered for this film.")
    seconds: float | None = Field(description="From taking the job to a film that plays.")


class Compilation(Dated):
    """One job that makes a film."""

    id: Id
    project_id: Id
    episode_id: Id
    batch_id: Id | None = Field(description="The batch that it belongs to; null: none.")
    status: Literal["pending", "processing", "completed", "failed", "cancelled"] = Field(description="Where it stands.")
    progress: float = Field(description="0 to 100.")
    message: str | None = Field(description="For people, in one line; null: nothing to say.")
    estimated_duration: float | None = Field(description="Seconds until it is ready, as told at the request.")
    queue_position: int | None = Field(description="From 1; null: it does not wait.")
    gone: bool = Field(description="Retention has deleted its bytes: of an episode the last 3 films are kept.")
    output_video_url: Url
    poster_url: Url
    captions_url: Url = Field(description="WebVTT; null when nothing is spoken.")
    subtitles_url: Url = Field(description="The same as SubRip.")
    timeline_url: Url = Field(description="OpenTimelineIO, for editing programs.")
    output_duration: float | None = Field(description="Seconds; null: it is not there yet.")
    output_file_size: int | None = Field(description="Bytes.")
    resolution: str | None = Field(
        description="Width x height as probed, such as 1920x1080; in settings a name of the model's, such as 1080p."
    )
    fps: float | None = Field(description="Frames per second.")
    segments_included: int | None = Field(description="How many.")
    segments: list[FilmSegment] = Field(description="In film order.")
    left_out: list[LeftOut] = Field(
        description="Segments that were not asked for and have no committed video, and why."
    )
    chapters: list[Chapter] = Field(description="One per segment, where a player can jump to.")
    loudness_lufs: float | None = Field(description="Measured of the film, EBU R128, in LUFS; null: see `unmeasured`.")
    true_peak_dbtp: float | None = Field(description="Measured of the film, in dBTP.")
    unmeasured: dict[str, str] = Field(description="Why a measure is null, by its name.")
    warnings: list[str] = Field(description="For people: what is otherwise than one might expect.")
    report: FilmReport | None = Field(description="What was reused and what was rendered.")
    provenance: Literal["pending", "signed", "unsigned"] | None = Field(
        description=(
            "pending: its Content Credentials are being added, a download waits for them; signed: "
            "they are in it; unsigned: it could not be signed, and `warnings` says so."
        )
    )
    rating: int | None = Field(description="1 to 5; null: not rated.")
    feedback: str | None = Field(description="Of the reviewer, for people; it is never sent to a model.")
    error_message: str | None = Field(description="Why it failed; null: it did not.")
    recovery: str | None = Field(description="What the reader can do about it.")
    completed_at: Timestamp | None = Field(description="When the film could be played; null: not yet.")


class CompilationList(ListOf[Compilation]):
    """Newest first; segments in film order."""


class CompilationStarted(Resource):
    """Seed 004."""

    compilation_job_id: Id
    status: Literal["started"] = Field(description="Always `started`.")
    estimated_duration: float = Field(description="Seconds until ready.")
    left_out: list[LeftOut] = Field(description="Segments without a committed version, if none were named.")


class Boundary(Body):
    """The transition after one segment."""

    after_segment_id: GivenId
    style: TransitionStyle = Field(description="Put before every prompt, such as `Warm film stock`.")
    duration: Number = Field(0.5, ge=0, le=5, description="Seconds that the transition takes.")


_SEED_FILM: dict[str, Any] = {
    "transition_style": "fade",
    "audio_config": {"background_music": True, "volume_normalization": True},
}


class _Film(Body):
    segment_ids: list[GivenId] | None = Field(
        None,
        max_length=500,
        examples=[[EXAMPLE_ID]],
        description="A custom order; null: all that is committed, in film order.",
    )
    transition_style: TransitionStyle | None = Field(None, description="Of boundaries that `transitions` leaves out.")
    transitions: list[Boundary] = Field([], description="At single boundaries; the others take `transition_style`.")
    audio_config: AudioConfig = absent(AudioConfig(), description="How the film sounds.")
    captions: CaptionMode = absent(
        CaptionMode.SOFT, description="Whether the film has its narrations as text, and how."
    )


class NewCompilation(_Film, json_schema_extra=shown(_SEED_FILM)):
    """Seed 004."""


class Render(_Film, json_schema_extra=shown({"batch_size": 4} | _SEED_FILM)):
    """Generate all, approve all, compile."""

    batch_size: Whole = Field(2, ge=1, le=50, description="How many are made at the same time, in parallel mode.")


class FilmRating(Body, json_schema_extra=shown({"rating": 5, "feedback": "Exactly the film I wanted."})):
    """How good a film is."""

    rating: Whole = Field(ge=1, le=5, description="1 to 5; null: not rated.")
    feedback: str | None = Field(
        None, max_length=4000, description="Of the reviewer, for people; it is never sent to a model."
    )
