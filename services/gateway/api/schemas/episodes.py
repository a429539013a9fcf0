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
    """The film's size, rate and fit."""

    width: int = Field(examples=[1920], description="Pixels.")
    height: int = Field(examples=[1080], description="Pixels.")
    fps: int = Field(examples=[24], description="Frames per second.")
    fit: Literal["crop", "pad", "blur"] = Field(
        description="How pictures of another shape get in: crop, pad (black) or blur (filled with themselves)."
    )


class SceneInfo(Resource):
    """What a script says of a segment."""

    scene_number: int | None = Field(description="As the script counts.")
    location: str | None = Field(description="Where.")
    description: str | None = Field(description="For people.")
    characters: list[str] = Field(description="Who appears.")
    dialogue: list[dict[str, Any]] = Field(
        examples=[[{"character": "Ann", "text": "The day begins."}]], description="Who says what."
    )


class GenerationParams(Resource):
    """With the other settings of the model beside these."""

    prompt: str | None = Field(description="The directions, as seed 004 calls them.")
    style: str | None = Field(description="The project's, and what the run added to it.")
    character_prompt: str | None = Field(description="Added to the characters' text, for this run; null: nothing.")
    seed: int | None = Field(
        description="The same one makes the same again, where the model can; null: each run draws its own."
    )
    model: str | None = Field(description="Its slug, such as `animatic/camera`; null: what the settings say.")
    duration: float | None = Field(description="Seconds.")
    resolution: str | None = Field(
        description="Width x height as probed, such as 1920x1080; in settings a name of the model's, such as 1080p."
    )
    aspect_ratio: str | None = Field(description="Width to height, such as 16:9.")


class QualityMetrics(Resource):
    """Measured from pixels, 0 to 1; null: not measured."""

    overall_score: Score
    consistency_score: Score
    visual_quality: Score


class Transition(Resource):
    """How one segment goes over into the next."""

    style: TransitionStyle = Field(description="Put before every prompt, such as `Warm film stock`.")
    duration: float = Field(description="Seconds.")


class SegmentAssets(Resource):
    """The ids of a segment's slots."""

    video: Id
    starting_image: Id
    narration: Id


class Segment(Dated):
    """Video fields describe the waiting preview, else the committed version."""

    id: Id
    project_id: Id
    episode_id: Id
    segment_number: int = Field(description="From 1, in film order.")
    type: Literal["scene", "shot", "transition"] = Field(description="scene, shot or transition.")
    scene_info: SceneInfo = Field(description="What is seen where, and who speaks.")
    scene_id: str | None = Field(description="As the tool calls it that wrote the script; null: it did not.")
    shot_id: str | None = Field(description="As the tool calls it that wrote the script; null: it did not.")
    video_url: Url
    thumbnail_url: Url
    filmstrip_url: Url
    duration: float | None = Field(description="Seconds of the video; without one, what is wanted.")
    target_duration: float | None = Field(description="Seconds wanted.")
    resolution: str | None = Field(
        description="Width x height as probed, such as 1920x1080; in settings a name of the model's, such as 1080p."
    )
    format: str | None = Field(examples=["mp4"], description="Of the video's file, such as mp4; null: there is none.")
    file_size: int | None = Field(description="Bytes of the video; null: there is none.")
    generation_params: GenerationParams = Field(description="What the video that is described was asked for.")
    quality_metrics: QualityMetrics = Field(description="Of the video that is described.")
    version: int | None = Field(description="The number of the video version that is described; null: there is none.")
    version_id: Id | None = Field(description="The version's; null: none.")
    parent_version_id: Id | None = Field(
        description="The version that it was made to replace; null: the first of its asset."
    )
    status: Literal["pending", "generating", "completed", "failed"] = Field(
        description="Of the newest run of its video: pending, generating, completed, failed."
    )
    approval_status: Literal["approved", "rejected", "needs_revision"] | None = Field(
        description=(
            "Of the newest decision: approved, rejected, needs_revision (rejected, and changes were "
            "suggested); null: none yet."
        )
    )
    approved_at: datetime | None = Field(description="When the committed video was accepted; null: none is.")
    previous_versions: list[PreviousVersion] = Field(description="Other versions of the video, newest first.")
    committed_version: Version | None = Field(description="What every view but the preview plays.")
    waiting_run_id: Id | None = Field(description="The run whose preview waits for a decision.")
    transition_after: Transition | None = Field(
        description="How it goes over into the next segment; null: as the compilation says."
    )
    user_notes: str = Field(description="Of whoever edits; never sent to a model.")
    assets: SegmentAssets = Field(description="Every slot of it, in the order they were made.")
    revision: int = Field(description="Rises with every edit; it is the `ETag`.")


class Draft(Resource):
    """What somebody has written and not yet asked for."""

    directions: str | None = Field(
        description="What the user asks for, unstyled: movie directions, a picture's prompt, a narration's script."
    )
    settings: dict[str, Any] = Field(description="The model's own, by name: GET /models lists each model's.")


class Stale(Resource):
    """Why something is out of date."""

    cause: Literal["starting_image"] = Field(description="What changed.")
    since: datetime = Field(description="When.")


class Asset(Dated):
    """A regenerable slot; its id never changes."""

    id: Id
    project_id: Id
    episode_id: Id
    segment_id: Id | None = Field(description="null: the asset is its episode's, such as music.")
    segment_number: int | None = Field(description="From 1, in film order; null: the asset is its episode's.")
    kind: Kind = Field(description="What the slot holds.")
    label: str = Field(examples=["Segment 1 video"], description="For people, such as `Segment 1 video`.")
    draft: Draft | None = Field(description="What somebody has written and not yet asked for; null: nothing.")
    defaults: dict[str, Setting] = Field(description="What a run would use if nobody said anything.")
    committed: Version | None = Field(description="The version that the rest of the world sees; null: none yet.")
    committed_at: datetime | None = Field(description="When that happened: `v` of its media URLs.")
    preview: Run | None = Field(description="The run that waits for a decision.")
    active_run_id: Id | None = Field(
        description="The one run that is queued, generating, waiting for a decision or committing; null: none."
    )
    stale: Stale | None = Field(
        description="Something that it was made from has changed since; null: it is as new as that."
    )
    revision: int = Field(description="Of the draft.")


class EpisodeHead(Dated):
    id: Id
    project_id: Id
    title: str = Field(description="For people.")
    description: str = Field(description="For people.")
    output: Output = Field(description="The film's size, rate and fit.")
    order_revision: int = Field(description="Rises when the order changes: the `ETag` of the order.")
    revision: int = Field(description="Rises with every edit; it is the `ETag`.")


class EpisodeSummary(EpisodeHead):
    """An episode in a list."""

    segment_count: int = Field(description="How many segments it has.")
    thumbnail_url: Url


class Episode(EpisodeHead):
    """The snapshot that clients refresh from."""

    segments: list[Segment] = Field(description="In film order.")
    assets: list[Asset] = Field(description="Every slot of it, in the order they were made.")
    cursor: str = Field(
        description="Open the project's stream with it as `last_event_id`: nothing is missed.", examples=["5d0c…:1042"]
    )


class Order(Resource):
    """An episode's segments, in film order."""

    segment_ids: list[Id] = Field(description="In this order.")
    revision: int = Field(description="Rises with every edit; it is the `ETag`.")


class Revision(Resource):
    """A change of an episode."""

    number: int = Field(description="Per episode, from 1.")
    episode_id: Id
    change: str = Field(examples=["commit"], description="What changed.")
    details: dict[str, Any] = Field(description="Of the change, by its kind.")
    actor: Actor = Field(description="Who caused it.")
    created_at: datetime = Field(description="When it was made.")


class StatusOfSegment(Resource):
    """A segment, in short."""

    id: Id
    segment_number: int = Field(description="From 1, in film order; null: the asset is its episode's.")
    status: Literal["pending", "generating", "completed", "failed"] = Field(
        description="Of the newest run of its video: pending, generating, completed, failed."
    )
    approval_status: Literal["approved", "rejected", "needs_revision"] | None = Field(
        description=(
            "Of the newest decision: approved, rejected, needs_revision (rejected, and changes were "
            "suggested); null: none yet."
        )
    )
    video_url: Url
    thumbnail_url: Url
    duration: float | None = Field(description="Seconds.")
    quality_score: Score


class SegmentsStatus(Resource):
    """An episode's segments, counted and listed."""

    total_segments: int = Field(description="Segments in all.")
    completed: int = Field(description="Approved ones included.")
    approved: int = Field(description="Those whose newest decision approved.")
    rejected: int = Field(description="Those whose newest decision rejected, needs_revision included.")
    failed: int = Field(description="Those whose newest run failed.")
    pending: int = Field(description="total_segments - completed - failed.")
    current_segment: int | None = Field(
        description=(
            "The number of the segment that is being made, else of the first that is not approved; "
            "null: none of either."
        )
    )
    segments: list[StatusOfSegment] = Field(description="In film order.")


class BatchItem(Resource):
    """One thing that a batch makes."""

    asset_id: Id
    segment_id: Id | None = Field(description="null: the asset is its episode's, such as music.")
    segment_number: int | None = Field(description="From 1, in film order; null: music.")
    kind: Kind = Field(description="What the slot holds.")
    state: str = Field(description="pending, running, waiting_review, held, done, skipped, left, deleted, nothing.")
    run_id: Id | None = Field(description="The run's; null: none.")
    problem: Failure | None = Field(description="Why it was left.")


class Batch(Dated):
    """Generating many segments under one policy."""

    id: Id
    project_id: Id
    episode_id: Id
    mode: Literal["sequential", "parallel"] = Field(
        description="sequential: a segment begins when the one before is accepted; parallel: several at a time."
    )
    batch_size: int = Field(description="How many are made at the same time, in parallel mode.")
    start_from: int = Field(description="How many segments to skip, from 0.")
    auto_approve: bool = Field(description="Whether previews are accepted as they come, by policy.")
    review: Literal["video", "all"] = Field(description="Which previews wait for a person: videos, or all.")
    segment_ids: list[Id] | None = Field(description="In this order.")
    status: Literal["running", "waiting_review", "paused", "completed", "failed", "cancelled"] = Field(
        description="Where it stands."
    )
    completed: int = Field(description="Segments whose video is there, approved ones included.")
    approved: int = Field(description="Segments whose video is committed.")
    failed: int = Field(description="Segments whose newest run failed and that have no video.")
    total: int = Field(description="Segments in all.")
    current_segment: int | None = Field(
        description=(
            "The number of the segment that is being made, else of the first that is not approved; "
            "null: none of either."
        )
    )
    message: str | None = Field(description="For people, in one line; null: nothing to say.")
    items: list[BatchItem] = Field(description="What it makes, in order.")
    compilation_job_id: Id | None = Field(description="The film that it ended with; null: none was asked for.")
    error: Failure | None = Field(description="Why it failed; null: it did not.")
    finished_at: datetime | None = Field(description="When it ended, however; null: it goes on.")


class Started(Resource):
    """Seed 004."""

    job_id: Id
    total_segments: int = Field(description="Segments in all.")
    status: Literal["started"] = Field(description="Always `started`.")


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
    completed_at: datetime | None = Field(description="When the film could be played; null: not yet.")


class CompilationStarted(Resource):
    """Seed 004."""

    compilation_job_id: Id
    status: Literal["started"] = Field(description="Always `started`.")
    estimated_duration: float = Field(description="Seconds until ready.")
    left_out: list[LeftOut] = Field(description="Segments without a committed version, if none were named.")


class Import(Dated):
    """A document or a film that becomes an episode."""

    id: Id
    project_id: Id
    episode_id: Id
    source: Literal["document", "film"] = Field(description="A document of scenes and shots, or a film to split.")
    status: Literal["pending", "processing", "completed", "failed", "cancelled"] = Field(description="Where it stands.")
    percent: float = Field(description="0 to 100; null: it cannot be said.")
    warnings: list[str] = Field(description="For people: what is otherwise than one might expect.")
    error: Failure | None = Field(description="Why it failed; null: it did not.")


class NewEpisode(Body, json_schema_extra=shown({"description": "A short film about coffee."} | EXAMPLE_DOCUMENT)):
    """A document (see POST imports) without starting images. Its fields are checked with a pointer each."""

    title: str = Field(min_length=1, max_length=300, description="For people.")
    description: str | None = Field(None, max_length=4000, description="For people.")
    output: dict[str, Any] | None = Field(None, description=OUTPUT_TAKEN, examples=[{"width": 1280, "height": 720}])
    directions: dict[str, Any] | None = Field(
        None,
        examples=[{"music": "Warm and slow"}],
        description="What the user asks for, unstyled: movie directions, a picture's prompt, a narration's script.",
    )
    segments: list[dict[str, Any]] | None = Field(
        None, max_length=500, examples=[EXAMPLE_DOCUMENT["segments"]], description="In film order."
    )


class NewImport(Body, json_schema_extra=shown({"document": EXAMPLE_DOCUMENT})):
    """Exactly one of `document`, `yaml` and `upload_id`."""

    document: dict[str, Any] | None = Field(
        None,
        examples=[EXAMPLE_DOCUMENT],
        description="Scenes, shots, directions, dialogue, images: docs/guide/frontend.md shows one.",
    )
    yaml: str | None = Field(None, description="The same document as text.")
    upload_id: GivenId | None = Field(None, description="A film to split at its cuts.")
    title: str | None = Field(None, max_length=300, description="For people.")
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
    """What is left out stays."""

    title: str = unsent(min_length=1, max_length=300, description="For people.")
    description: str = unsent(max_length=4000, description="For people.")
    output: dict[str, Any] = unsent({}, description=OUTPUT_TAKEN, examples=[{"width": 1280, "height": 720}])


class NewOrder(Body, json_schema_extra=shown({"segment_ids": [EXAMPLE_ID]})):
    """The order that is wanted: every segment once."""

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
    """A segment to add."""

    type: Literal["scene", "shot", "transition"] = Field("scene", description="scene, shot or transition.")
    scene_info: Scene = Field({}, description="What is seen where, and who speaks.")
    duration: Number | None = Field(None, gt=0, le=600, description="Seconds.")
    position: Whole | None = Field(None, ge=1, description="From 1; left out: at the end.")
    directions: dict[str, Directions] = Field(
        {},
        examples=[{"video": "Pan left."}],
        description="What the user asks for, unstyled: movie directions, a picture's prompt, a narration's script.",
    )


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

    type: Literal["scene", "shot", "transition"] = unsent("scene", description="scene, shot or transition.")
    scene_info: Scene | None = Field(None, description="What is seen where, and who speaks.")
    duration: Number | None = Field(None, gt=0, le=600, description="Seconds.")
    user_notes: str | None = Field(None, max_length=4000, description="Of whoever edits; never sent to a model.")
    transition_after: dict[str, Any] | None = Field(
        None,
        examples=[{"style": "fade", "duration": 0.5}],
        description="How it goes over into the next segment; null: as the compilation says.",
    )


class NewAsset(Body, json_schema_extra=shown({"kind": "image", "label": "Title picture"})):
    """A slot to add."""

    kind: Literal["image"] = Field(description="What the slot holds.")
    label: str = Field(min_length=1, max_length=200, description="For people, such as `Segment 1 video`.")
    segment_id: GivenId | None = Field(None, description="null: the asset is to be the episode's.")


class NewDraft(
    Body,
    json_schema_extra=shown(
        {
            "directions": "Slowly push in on the cup.",
            "settings": {"model": "animatic/camera", "resolution": "1080p"},
        }
    ),
):
    """What somebody has written."""

    directions: Directions | None = Field(
        None,
        description="What the user asks for, unstyled: movie directions, a picture's prompt, a narration's script.",
    )
    settings: dict[str, Any] = Field(
        {},
        examples=[{"model": "animatic/camera", "resolution": "1080p"}],
        description="The model's own, by name: GET /models lists each model's.",
    )


class NewBatch(Body, json_schema_extra=shown({"mode": "parallel", "batch_size": 4, "deadline_minutes": None})):
    """What to make, and how."""

    mode: Literal["sequential", "parallel"] = Field(
        "sequential",
        description="sequential: a segment begins when the one before is accepted; parallel: several at a time.",
    )
    batch_size: Whole = Field(1, ge=1, le=50, description="Runs that generate at once, when parallel.")
    start_from: Whole = Field(0, ge=0, description="Segments to skip.")
    auto_approve: Flag = Field(False, description="Left out: true in projects whose workflow is monolithic.")
    review: Literal["video", "all"] = Field("video", description="What waits for a person.")
    segment_ids: list[GivenId] | None = Field(None, max_length=500, description="In this order.")
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

    mode: Literal["sequential", "parallel"] = Field(
        "sequential",
        description="sequential: a segment begins when the one before is accepted; parallel: several at a time.",
    )
    batch_size: Whole = Field(1, ge=1, le=50, description="How many are made at the same time, in parallel mode.")
    start_from: Whole = Field(0, ge=0, description="How many segments to skip, from 0.")
    auto_approve: Flag = Field(False, description="Left out: true in projects whose workflow is monolithic.")


class Resumption(Body, json_schema_extra=shown({"skip": True})):
    """Where a batch goes on."""

    start_from: Whole | None = Field(None, ge=0, description="How many segments to skip, from 0.")
    skip: list[GivenId] | Flag | None = Field(None, description="Segments to leave out; true: those that hold it.")


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
    audio_config: AudioConfig = Field(AudioConfig(), description="How the film sounds.")
    captions: CaptionMode = Field(CaptionMode.SOFT, description="Whether the film has its narrations as text, and how.")


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
