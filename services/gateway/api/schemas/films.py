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
    Said,
    Timestamp,
    Url,
    Whole,
    absent,
    shown,
)
from services.gateway.api.schemas.estimates import DryRun
from services.gateway.api.schemas.sound import AudioConfig
from shared.contracts.values import CaptionMode, TransitionStyle


class FilmSegment(Resource):
    """A segment in a film, with the version that was used."""

    segment_id: Id
    version_id: Id


class FilmNarration(Resource):
    """How the narration of a segment is mixed."""

    gain_db: float = Field(description="Gain in dB.")
    offset: float = Field(description="Seconds from the start of the segment.")


class FilmTransition(Resource):
    """The transition after one segment of a film."""

    after_segment_id: Id
    style: TransitionStyle = Field(description="The style of the transition.")
    duration: float = Field(description="The requested duration in seconds; 0: a cut.")


class FilmSound(Resource):
    """The sound that a film was requested with."""

    background_music: bool = Field(description="Whether the film has the episode's music.")
    volume_normalization: bool = Field(description="Whether the film is normalised to `loudness_lufs`.")
    loudness_lufs: float = Field(description="The intended integrated loudness in LUFS.")
    true_peak_dbtp: float = Field(description="The greatest true peak that was allowed, in dBTP.")
    segment_sound: Literal["keep", "lower", "mute"] = Field(
        description="Whether the videos' own sound is kept, lowered below the narration, or muted."
    )
    narration: dict[str, FilmNarration] = Field(description="How narrations are mixed, by segment id.")
    music_gain_db: float = Field(description="Gain of the music in dB.")


class LeftOut(Resource):
    """A segment that the film leaves out."""

    segment_id: Id
    reason: str = Field(description="Why it was left out: unapproved.")


class Chapter(Resource):
    """The position of a scene in the film."""

    title: str = Field(description="The title of the chapter.")
    start: float = Field(description="Seconds from the beginning of the film.")


class FilmReport(Resource):
    """How a film was made."""

    pieces_reused: int | None = Field(description="The number of pieces that existed already.")
    pieces_rendered: int | None = Field(description="The number of pieces that were rendered for this film.")
    seconds: float | None = Field(description="Seconds from the start of the job to the completed film.")


class Compilation(Dated, Said):
    """The compilation of a film."""

    id: Id
    project_id: Id
    episode_id: Id
    batch_id: Id | None = Field(description="The batch that requested it; null: a user did.")
    status: Literal["pending", "processing", "completed", "failed", "cancelled"] = Field(
        description="The current status."
    )
    progress: float = Field(description="0 to 100.")
    message: str | None = Field(description="What happens now, for users; null: nothing to say.")
    estimated_duration: float | None = Field(
        description="The estimated seconds until completion, made when the film was requested."
    )
    queue_position: int | None = Field(description="The position in the queue, from 1; null: it is not waiting.")
    gone: bool = Field(description="Whether retention has deleted the file: the last 3 films of an episode are kept.")
    output_video_url: Url
    poster_url: Url
    captions_url: Url = Field(description="The URL of the captions as WebVTT; null: the film has no narration.")
    subtitles_url: Url = Field(description="The URL of the captions as SubRip; null: the film has no narration.")
    timeline_url: Url = Field(description="The URL of the timeline as OpenTimelineIO, for editing programs.")
    output_duration: float | None = Field(description="The duration of the film in seconds; null: not completed.")
    output_file_size: int | None = Field(description="The size of the film in bytes; null: not completed.")
    resolution: str | None = Field(description="The measured width x height, such as 1920x1080; null: not completed.")
    fps: float | None = Field(description="Frames per second, rounded: see `frame_rate`.")
    frame_rate: str | None = Field(
        description="Frames per second, exact, as a fraction such as 24000/1001; null: not completed."
    )
    segments_included: int | None = Field(description="The number of segments in the film; null: not known yet.")
    segments: list[FilmSegment] = Field(description="The segments in film order.")
    transition_style: TransitionStyle | None = Field(
        description="The style that the film was requested with; null: each segment's own."
    )
    transitions: list[FilmTransition] = Field(description="The transition after each segment but the last.")
    audio_config: FilmSound = Field(description="The sound that the film was requested with.")
    captions: CaptionMode = Field(description="Captions of the narrations, as requested.")
    left_out: list[LeftOut] = Field(
        description="Segments that the request did not name and that have no committed video, with the reason."
    )
    chapters: list[Chapter] = Field(
        description="The chapters of the film, one per scene, also in its file. A segment whose scene is unknown has "
        "its own."
    )
    loudness_lufs: float | None = Field(
        description="The measured loudness of the film (EBU R128) in LUFS; null: see `unmeasured`."
    )
    true_peak_dbtp: float | None = Field(description="The measured true peak of the film in dBTP.")
    unmeasured: dict[str, str] = Field(description="The reason why a measure is null, by the name of the measure.")
    warnings: list[str] = Field(description="Human-readable warnings about the result.")
    photosensitivity_warning: str | None = Field(
        description="To be shown before it plays: some of its segments flash harmfully; null: none does."
    )
    report: FilmReport | None = Field(description="How much of the film was reused and how much was rendered.")
    provenance: Literal["pending", "signed", "unsigned"] | None = Field(
        description=(
            "pending: its Content Credentials are being added, a download waits for them; signed: "
            "they are in it; unsigned: it could not be signed, and `warnings` says so."
        )
    )
    rating: int | None = Field(description="The rating of the film from 1 to 5; null: not rated.")
    feedback: str | None = Field(description="The comment of the person who rated it; null: none.")
    error_message: str | None = Field(description="The reason of the failure; null: it has not failed.")
    recovery: str | None = Field(description="What you can do about it.")
    completed_at: Timestamp | None = Field(description="When the film was completed; null: not yet.")
    handed_over_at: Timestamp | None = Field(
        description="When the film was first downloaded, or its timeline exported; null: not yet."
    )


class CompilationList(ListOf[Compilation]):
    """Films of an episode, newest first."""


class CompilationStarted(Resource):
    """The compilation that was started."""

    compilation_job_id: Id
    status: Literal["started"] = Field(description="Always `started`.")
    estimated_duration: float = Field(description="The estimated seconds until completion.")
    left_out: list[LeftOut] = Field(
        description="Segments without a committed video that the film leaves out, if the request named no segments."
    )


class Boundary(Body):
    """The transition after one segment."""

    after_segment_id: GivenId
    style: TransitionStyle = Field(description="The style of the transition.")
    duration: Number = Field(0.5, ge=0, le=5, description="The duration of the transition in seconds.")


_SEED_FILM: dict[str, Any] = {
    "transition_style": "fade",
    "audio_config": {"background_music": True, "volume_normalization": True},
}


class _Film(Body):
    segment_ids: list[GivenId] | None = Field(
        None,
        max_length=500,
        examples=[[EXAMPLE_ID]],
        description="The segments in a custom order; null: all committed segments in film order.",
    )
    transition_style: TransitionStyle | None = Field(
        None, description="The style of transitions that `transitions` does not name."
    )
    transitions: list[Boundary] = Field(
        [], max_length=500, description="Transitions after single segments; the others use `transition_style`."
    )
    audio_config: AudioConfig = absent(AudioConfig(), description="The sound of a film.")
    captions: CaptionMode = absent(CaptionMode.SOFT, description="Captions of the narrations. The default is soft.")


class NewCompilation(_Film, json_schema_extra=shown(_SEED_FILM)):
    """A film to compile."""

    dry_run: DryRun = False


class Render(_Film, json_schema_extra=shown({"batch_size": 4} | _SEED_FILM)):
    """Generate, approve and compile all segments."""

    batch_size: Whole = Field(
        2, ge=1, le=50, description="The number of runs that generate at the same time, in parallel mode."
    )
    dry_run: DryRun = False


class FilmRating(Body, json_schema_extra=shown({"rating": 5, "feedback": "Exactly the film I wanted."})):
    """The rating of a film."""

    rating: Whole = Field(ge=1, le=5, description="From 1 to 5; 5 is best.")
    feedback: str | None = Field(None, max_length=4000, description="A comment on the film; null: none.")
