"""Episodes, segments, assets, batches, films, imports."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from services.gateway.api.schemas.base import (
    EXAMPLE_ID,
    Actor,
    Body,
    Dated,
    Directions,
    Failure,
    Flag,
    GivenId,
    Id,
    Number,
    Resource,
    Scene,
    Score,
    Setting,
    Url,
    Whole,
    shown,
    unsent,
)
from services.gateway.api.schemas.runs import Kind, PreviousVersion, Run, Version
from services.gateway.api.schemas.sound import AudioConfig
from shared.contracts.values import CaptionMode, TransitionStyle

EXAMPLE_DOCUMENT: dict[str, Any] = {
    "title": "Morning",
    "directions": {"music": "Warm and slow, piano"},
    "segments": [
        {
            "scene_info": {
                "scene_number": 1,
                "location": "Kitchen",
                "description": "A cup of coffee by the window",
                "dialogue": [{"text": "The day begins."}],
            },
            "duration": 5,
            "directions": {"video": "Slowly push in on the cup."},
            "transition_after": {"style": "dissolve", "duration": 0.5},
        }
    ],
}


OUTPUT_TAKEN = (
    "`width` and `height` are even, up to 3840x2160, 2160x3840 or 2160x2160; `fps` is 24, 25, 30, 50, 60, "
    "or 12 for drafts; `fit` is crop, pad or blur."
)


class Output(Resource):
    width: int = Field(examples=[1920])
    height: int = Field(examples=[1080])
    fps: int = Field(examples=[24])
    fit: Literal["crop", "pad", "blur"]


class SceneInfo(Resource):
    scene_number: int | None
    location: str | None
    description: str | None
    characters: list[str]
    dialogue: list[dict[str, Any]] = Field(examples=[[{"character": "Ann", "text": "The day begins."}]])


class GenerationParams(Resource):
    """With the other settings of the model beside these."""

    prompt: str | None
    style: str | None = Field(description="The project's, and what the run added to it.")
    character_prompt: str | None
    seed: int | None
    model: str | None
    duration: float | None
    resolution: str | None
    aspect_ratio: str | None


class QualityMetrics(Resource):
    overall_score: Score
    consistency_score: Score
    visual_quality: Score


class Transition(Resource):
    style: TransitionStyle
    duration: float = Field(description="Seconds.")


class SegmentAssets(Resource):
    video: Id
    starting_image: Id
    narration: Id


class Segment(Dated):
    """Video fields describe the waiting preview, else the committed version."""

    id: Id
    project_id: Id
    episode_id: Id
    segment_number: int = Field(description="From 1, in film order.")
    type: Literal["scene", "shot", "transition"]
    scene_info: SceneInfo
    scene_id: str | None
    shot_id: str | None
    video_url: Url
    thumbnail_url: Url
    filmstrip_url: Url
    duration: float | None = Field(description="Seconds of the video; without one, what is wanted.")
    target_duration: float | None = Field(description="Seconds wanted.")
    resolution: str | None
    format: str | None = Field(examples=["mp4"])
    file_size: int | None
    generation_params: GenerationParams
    quality_metrics: QualityMetrics
    version: int | None
    version_id: Id | None
    parent_version_id: Id | None
    status: Literal["pending", "generating", "completed", "failed"]
    approval_status: Literal["approved", "rejected", "needs_revision"] | None
    approved_at: datetime | None
    previous_versions: list[PreviousVersion]
    committed_version: Version | None = Field(description="What every view but the preview plays.")
    waiting_run_id: Id | None = Field(description="The run whose preview waits for a decision.")
    transition_after: Transition | None
    user_notes: str
    assets: SegmentAssets
    revision: int


class Draft(Resource):
    directions: str | None
    settings: dict[str, Any]


class Stale(Resource):
    cause: Literal["starting_image"]
    since: datetime


class Asset(Dated):
    """A regenerable slot; its id never changes."""

    id: Id
    project_id: Id
    episode_id: Id
    segment_id: Id | None
    segment_number: int | None
    kind: Kind
    label: str = Field(examples=["Segment 1 video"])
    draft: Draft | None
    defaults: dict[str, Setting] = Field(description="What a run would use if nobody said anything.")
    committed: Version | None
    committed_at: datetime | None
    preview: Run | None = Field(description="The run that waits for a decision.")
    active_run_id: Id | None
    stale: Stale | None
    revision: int = Field(description="Of the draft.")


class EpisodeHead(Dated):
    id: Id
    project_id: Id
    title: str
    description: str
    output: Output
    order_revision: int
    revision: int


class EpisodeSummary(EpisodeHead):
    segment_count: int
    thumbnail_url: Url


class Episode(EpisodeHead):
    """The snapshot that clients refresh from."""

    segments: list[Segment]
    assets: list[Asset]
    cursor: str = Field(
        description="Open the project's stream with it as `last_event_id`: nothing is missed.", examples=["5d0c…:1042"]
    )


class Order(Resource):
    segment_ids: list[Id]
    revision: int


class Revision(Resource):
    number: int = Field(description="Per episode, from 1.")
    episode_id: Id
    change: str = Field(examples=["commit"])
    details: dict[str, Any]
    actor: Actor
    created_at: datetime


class StatusOfSegment(Resource):
    id: Id
    segment_number: int
    status: Literal["pending", "generating", "completed", "failed"]
    approval_status: Literal["approved", "rejected", "needs_revision"] | None
    video_url: Url
    thumbnail_url: Url
    duration: float | None
    quality_score: Score


class SegmentsStatus(Resource):
    total_segments: int
    completed: int = Field(description="Approved ones included.")
    approved: int
    rejected: int
    failed: int
    pending: int
    current_segment: int | None
    segments: list[StatusOfSegment]


class BatchItem(Resource):
    asset_id: Id
    segment_id: Id | None
    segment_number: int | None
    kind: Kind
    state: str = Field(description="pending, running, waiting_review, held, done, skipped, left, deleted, nothing.")
    run_id: Id | None
    problem: Failure | None = Field(description="Why it was left.")


class Batch(Dated):
    """Generating many segments under one policy."""

    id: Id
    project_id: Id
    episode_id: Id
    mode: Literal["sequential", "parallel"]
    batch_size: int
    start_from: int
    auto_approve: bool
    review: Literal["video", "all"]
    segment_ids: list[Id] | None
    status: Literal["running", "waiting_review", "paused", "completed", "failed", "cancelled"]
    completed: int
    approved: int
    failed: int
    total: int
    current_segment: int | None
    message: str | None
    items: list[BatchItem]
    compilation_job_id: Id | None
    error: Failure | None
    finished_at: datetime | None


class Started(Resource):
    """Seed 004."""

    job_id: Id
    total_segments: int
    status: Literal["started"]


class FilmSegment(Resource):
    segment_id: Id
    version_id: Id


class LeftOut(Resource):
    segment_id: Id
    reason: str


class Chapter(Resource):
    title: str
    start: float


class FilmReport(Resource):
    pieces_reused: int | None
    pieces_rendered: int | None
    seconds: float | None


class Compilation(Dated):
    """One job that makes a film."""

    id: Id
    project_id: Id
    episode_id: Id
    batch_id: Id | None
    status: Literal["pending", "processing", "completed", "failed", "cancelled"]
    progress: float = Field(description="0 to 100.")
    message: str | None
    estimated_duration: float | None = Field(description="Seconds until it is ready, as told at the request.")
    queue_position: int | None
    gone: bool = Field(description="Retention has deleted its bytes: of an episode the last 3 films are kept.")
    output_video_url: Url
    poster_url: Url
    captions_url: Url = Field(description="WebVTT; null when nothing is spoken.")
    subtitles_url: Url = Field(description="The same as SubRip.")
    timeline_url: Url = Field(description="OpenTimelineIO, for editing programs.")
    output_duration: float | None
    output_file_size: int | None
    resolution: str | None
    fps: float | None
    segments_included: int | None
    segments: list[FilmSegment]
    left_out: list[LeftOut]
    chapters: list[Chapter]
    loudness_lufs: float | None
    true_peak_dbtp: float | None
    unmeasured: dict[str, str]
    warnings: list[str]
    report: FilmReport | None
    provenance: Literal["pending", "signed", "unsigned"] | None
    rating: int | None
    feedback: str | None
    error_message: str | None
    recovery: str | None
    completed_at: datetime | None


class CompilationStarted(Resource):
    """Seed 004."""

    compilation_job_id: Id
    status: Literal["started"]
    estimated_duration: float = Field(description="Seconds until ready.")
    left_out: list[LeftOut] = Field(description="Segments without a committed version, if none were named.")


class Import(Dated):
    id: Id
    project_id: Id
    episode_id: Id
    source: Literal["document", "film"]
    status: Literal["pending", "processing", "completed", "failed", "cancelled"]
    percent: float
    warnings: list[str]
    error: Failure | None


class NewEpisode(Body, json_schema_extra=shown({"description": "A short film about coffee."} | EXAMPLE_DOCUMENT)):
    """A document (see POST imports) without starting images. Its fields are checked with a pointer each."""

    title: str = Field(min_length=1, max_length=300)
    description: str | None = Field(None, max_length=4000)
    output: dict[str, Any] | None = Field(None, description=OUTPUT_TAKEN, examples=[{"width": 1280, "height": 720}])
    directions: dict[str, Any] | None = Field(None, examples=[{"music": "Warm and slow"}])
    segments: list[dict[str, Any]] | None = Field(None, max_length=500, examples=[EXAMPLE_DOCUMENT["segments"]])


class NewImport(Body, json_schema_extra=shown({"document": EXAMPLE_DOCUMENT})):
    """Exactly one of `document`, `yaml` and `upload_id`."""

    document: dict[str, Any] | None = Field(None, examples=[EXAMPLE_DOCUMENT])
    yaml: str | None = Field(None, description="The same document as text.")
    upload_id: GivenId | None = Field(None, description="A film to split at its cuts.")
    title: str | None = Field(None, max_length=300)
    scene_threshold: Number | None = Field(None, ge=0, le=1, description="How different frames must be.")


class EpisodeChanges(
    Body,
    json_schema_extra=shown(
        {
            "title": "Morning, again",
            "output": {"width": 1280, "height": 720},
        }
    ),
):
    title: str = unsent(min_length=1, max_length=300)
    description: str = unsent(max_length=4000)
    output: dict[str, Any] = unsent({}, description=OUTPUT_TAKEN, examples=[{"width": 1280, "height": 720}])


class NewOrder(Body, json_schema_extra=shown({"segment_ids": [EXAMPLE_ID]})):
    segment_ids: list[GivenId] = Field(max_length=500, description="Every segment once.")


class NewSegment(
    Body,
    json_schema_extra=shown(
        {
            "type": "scene",
            "scene_info": {"description": "A cup of coffee by the window"},
            "duration": 5,
            "directions": {"video": "Pan left."},
        }
    ),
):
    type: Literal["scene", "shot", "transition"] = "scene"
    scene_info: Scene = {}
    duration: Number | None = Field(None, gt=0, le=600)
    position: Whole | None = Field(None, ge=1, description="From 1; left out: at the end.")
    directions: dict[str, Directions] = Field({}, examples=[{"video": "Pan left."}])


class SegmentChanges(
    Body,
    json_schema_extra=shown(
        {
            "user_notes": "Ask Ana about the cup.",
            "transition_after": {"style": "fade", "duration": 0.5},
        }
    ),
):
    """What is left out stays; null clears."""

    type: Literal["scene", "shot", "transition"] = unsent("scene")
    scene_info: Scene | None = None
    duration: Number | None = Field(None, gt=0, le=600)
    user_notes: str | None = Field(None, max_length=4000)
    transition_after: dict[str, Any] | None = Field(None, examples=[{"style": "fade", "duration": 0.5}])


class NewAsset(Body, json_schema_extra=shown({"kind": "image", "label": "Title picture"})):
    kind: Literal["image"]
    label: str = Field(min_length=1, max_length=200)
    segment_id: GivenId | None = None


class NewDraft(
    Body,
    json_schema_extra=shown(
        {
            "directions": "Slowly push in on the cup.",
            "settings": {"model": "animatic/camera", "resolution": "1080p"},
        }
    ),
):
    directions: Directions | None = None
    settings: dict[str, Any] = Field({}, examples=[{"model": "animatic/camera", "resolution": "1080p"}])


class NewBatch(Body, json_schema_extra=shown({"mode": "parallel", "batch_size": 4, "deadline_minutes": None})):
    mode: Literal["sequential", "parallel"] = "sequential"
    batch_size: Whole = Field(1, ge=1, le=50, description="Runs that generate at once, when parallel.")
    start_from: Whole = Field(0, ge=0, description="Segments to skip.")
    auto_approve: Flag = Field(False, description="Left out: true in projects whose workflow is monolithic.")
    review: Literal["video", "all"] = Field("video", description="What waits for a person.")
    segment_ids: list[GivenId] | None = Field(None, max_length=500)
    deadline_minutes: Number | None = Field(None, gt=0, le=525_600, description="Left out: the project's; null: none.")


class GenerateSegments(
    Body,
    json_schema_extra=shown(
        {
            "mode": "sequential",
            "batch_size": 1,
            "start_from": 0,
            "auto_approve": False,
        }
    ),
):
    """Seed 004."""

    mode: Literal["sequential", "parallel"] = "sequential"
    batch_size: Whole = Field(1, ge=1, le=50)
    start_from: Whole = Field(0, ge=0)
    auto_approve: Flag = Field(False, description="Left out: true in projects whose workflow is monolithic.")


class Resumption(Body, json_schema_extra=shown({"skip": True})):
    start_from: Whole | None = Field(None, ge=0)
    skip: list[GivenId] | Flag | None = Field(None, description="Segments to leave out; true: those that hold it.")


class Boundary(Body):
    after_segment_id: GivenId
    style: TransitionStyle
    duration: Number = Field(0.5, ge=0, le=5)


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
    transitions: list[Boundary] = []
    audio_config: AudioConfig = AudioConfig()
    captions: CaptionMode = CaptionMode.SOFT


class NewCompilation(_Film, json_schema_extra=shown(_SEED_FILM)):
    """Seed 004."""


class Render(_Film, json_schema_extra=shown({"batch_size": 4} | _SEED_FILM)):
    """Generate all, approve all, compile."""

    batch_size: Whole = Field(2, ge=1, le=50)


class FilmRating(Body, json_schema_extra=shown({"rating": 5, "feedback": "Exactly the film I wanted."})):
    rating: Whole = Field(ge=1, le=5)
    feedback: str | None = Field(None, max_length=4000)
