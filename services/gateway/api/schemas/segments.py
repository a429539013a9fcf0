"""Segments of an episode."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from services.gateway.api.schemas.base import (
    Body,
    Dated,
    Directions,
    Id,
    ListOf,
    Position,
    Resource,
    Revised,
    Score,
    Seconds,
    Timestamp,
    Url,
    absent,
    shown,
    unsent,
)
from services.gateway.api.schemas.documents import GivenTransition, Scene
from services.gateway.api.schemas.versions import PreviousVersion, Version
from services.gateway.domain.documents import MAX_SCRIPT_ID, MAX_TEXT
from shared.contracts.values import TransitionStyle

ScriptId = Annotated[str, Field(max_length=MAX_SCRIPT_ID, examples=["sc-12"])]
OwnText = Annotated[str, Field(max_length=MAX_TEXT, examples=["cold morning light"])]


class SpokenLine(Resource):
    """One line of dialogue, with further fields that the script has."""

    model_config = ConfigDict(extra="allow")

    character: str | None = Field(None, examples=["Ann"], description="Who speaks; null: the script does not say.")
    text: str = Field(description="What is said.")


class SceneInfo(Resource):
    """The scene in the script."""

    scene_number: int | None = Field(description="The number of the scene in the script.")
    location: str | None = Field(description="Where the scene is set.")
    description: str | None = Field(description="What is seen.")
    characters: list[str] = Field(description="The names of the characters in the scene.")
    dialogue: list[SpokenLine] = Field(
        examples=[[{"character": "Ann", "text": "The day begins."}]], description="The dialogue, in order."
    )


class GenerationParams(Resource):
    """What the video was generated with, including further settings of its model."""

    model_config = ConfigDict(extra="allow")

    prompt: str | None = Field(description="The directions, without style and characters.")
    style: str | None = Field(
        description="The style of the project and of the segment, with what was added for the video."
    )
    character_prompt: str | None = Field(
        description="Text added to the characters of project and segment for the video; null: none."
    )
    seed: int | None = Field(
        description=("The seed that it was generated with; null: no version yet, or a model without seeds.")
    )
    model: str | None = Field(
        description=("The slug of the model, such as `animatic/camera`; null: no version yet, or a file of a person.")
    )
    duration: float | None = Field(description="The requested seconds; null: not set.")
    resolution: str | None = Field(description="The requested resolution, such as 1080p; null: not set.")
    aspect_ratio: str | None = Field(description="The requested width to height, such as 16:9; null: not set.")


class QualityMetrics(Resource):
    """Measured quality from 0 to 1; null: not measured."""

    overall_score: Score
    consistency_score: Score
    visual_quality: Score


class Transition(Resource):
    """The transition from a segment into the next one."""

    style: TransitionStyle = Field(description="The style of the transition.")
    duration: float = Field(description="The duration of the transition in seconds.")


class SegmentAssets(Resource):
    """The ids of a segment's assets."""

    video: Id
    starting_image: Id
    narration: Id


class Segment(Dated, Revised):
    """A segment. Its video fields describe the preview that waits for a decision, or else the committed version."""

    id: Id
    project_id: Id
    episode_id: Id
    segment_number: int = Field(description="The number in film order, from 1.")
    type: Literal["scene", "shot", "transition"] = Field(description="The kind of segment.")
    scene_info: SceneInfo = Field(description="The scene in the script.")
    scene_id: str | None = Field(description="The id in the tool that wrote the script; null: none.")
    shot_id: str | None = Field(description="The id in the tool that wrote the script; null: none.")
    style: str | None = Field(description="What is added to the project's style in this segment; null: nothing.")
    characters: str | None = Field(
        description="What is added to the project's text about the characters in this segment; null: nothing."
    )
    video_url: Url
    thumbnail_url: Url
    filmstrip_url: Url
    duration: float | None = Field(
        description="The duration of the video in seconds, or the target duration if there is none."
    )
    target_duration: float | None = Field(description="The target duration in seconds.")
    resolution: str | None = Field(
        description="The measured width x height, such as 1920x1080; null: there is no video."
    )
    format: str | None = Field(
        examples=["mp4"], description="The file format of the video, such as mp4; null: there is none."
    )
    file_size: int | None = Field(description="The size of the video in bytes; null: there is none.")
    generation_params: GenerationParams = Field(description="What the described video was generated with.")
    quality_metrics: QualityMetrics = Field(description="The quality of the described video.")
    version: int | None = Field(description="The number of the described version; null: there is none.")
    version_id: Id | None = Field(description="The described version; null: there is none.")
    parent_version_id: Id | None = Field(
        description="The version that it was generated to replace; null: the first of its asset."
    )
    status: Literal["pending", "generating", "completed", "failed"] = Field(
        description="The status of the newest run of the video."
    )
    approval_status: Literal["approved", "rejected", "needs_revision"] | None = Field(
        description=(
            "The newest decision: approved, rejected or needs_revision (rejected with suggested "
            "changes); null: none yet."
        )
    )
    rejection_reason: str | None = Field(
        description="The reason of the newest rejection of the video; null: none was given, or it was never rejected."
    )
    approved_at: Timestamp | None = Field(description="When the committed video was accepted; null: none is committed.")
    previous_versions: list[PreviousVersion] = Field(description="Other versions of the video, newest first.")
    committed_version: Version | None = Field(
        description="The version that films and all other views use; null: none yet."
    )
    waiting_run_id: Id | None = Field(description="The run whose preview waits for a decision; null: none.")
    transition_after: Transition | None = Field(
        description="The transition into the next segment; null: as the compilation specifies."
    )
    user_notes: str = Field(description="Notes of editors. They are never sent to a model.")
    assets: SegmentAssets = Field(description="The ids of the segment's assets.")


class SegmentOutline(Resource):
    """What a timeline shows of a segment. Its video fields describe the waiting preview, or else what is committed."""

    id: Id
    segment_number: int = Field(description="The number in film order, from 1.")
    type: Literal["scene", "shot", "transition"] = Field(description="The kind of segment.")
    location: str | None = Field(description="Where the scene is set; null: the script does not say.")
    description: str | None = Field(description="What is seen; null: the script does not say.")
    status: Literal["pending", "generating", "completed", "failed"] = Field(
        description="The status of the newest run of the video."
    )
    approval_status: Literal["approved", "rejected", "needs_revision"] | None = Field(
        description="The newest decision; null: none yet."
    )
    video_url: Url
    thumbnail_url: Url
    filmstrip_url: Url
    duration: float | None = Field(
        description="The duration of the video in seconds, or the target duration if there is none; null: neither."
    )
    quality_score: Score
    version: int | None = Field(description="The number of the described version; null: there is none.")
    committed: bool = Field(description="Whether a video is committed, so that films can contain the segment.")
    waiting_run_id: Id | None = Field(description="The run whose preview waits for a decision; null: none.")
    transition_after: Transition | None = Field(
        description="The transition into the next segment; null: as the compilation specifies."
    )
    assets: SegmentAssets = Field(description="The ids of the segment's assets.")
    revision: int = Field(description="Rises with every edit. It is the `ETag` of the segment.")
    updated_at: Timestamp = Field(description="When the segment or its video last changed.")


class SegmentList(ListOf[Segment]):
    """Segments in film order."""


class StatusOfSegment(Resource):
    """The status of a segment."""

    id: Id
    segment_number: int = Field(description="The number in film order, from 1.")
    status: Literal["pending", "generating", "completed", "failed"] = Field(
        description="The status of the newest run of the video."
    )
    approval_status: Literal["approved", "rejected", "needs_revision"] | None = Field(
        description=(
            "The newest decision: approved, rejected or needs_revision (rejected with suggested "
            "changes); null: none yet."
        )
    )
    video_url: Url
    thumbnail_url: Url
    duration: float | None = Field(
        description=("The duration of the video in seconds, or the target duration if there is none.")
    )
    quality_score: Score


class SegmentsStatus(Resource):
    """The status of an episode's segments."""

    total_segments: int = Field(description="The total number of segments.")
    completed: int = Field(description="The number of segments that have a video, including approved ones.")
    approved: int = Field(description="The number of segments whose newest decision was an approval.")
    rejected: int = Field(
        description="The number of segments whose newest decision was a rejection, including needs_revision."
    )
    failed: int = Field(description="The number of segments whose newest run failed.")
    pending: int = Field(description="total_segments - completed - failed.")
    current_segment: int | None = Field(
        description=(
            "The number of the segment that is generating, or else of the first one that is not "
            "approved; null: neither."
        )
    )
    segments: list[StatusOfSegment] = Field(description="The segments in film order.")


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
    """A segment to add to an episode."""

    type: Literal["scene", "shot", "transition"] = Field("scene", description="The kind of segment.")
    scene_info: Scene = absent({}, description="The scene in the script.")
    duration: Seconds | None = Field(None, description="The target duration in seconds; null: the model's default.")
    position: Position | None = Field(None, description="The position in the film, from 1; left out: at the end.")
    directions: dict[str, Directions] = Field(
        {},
        examples=[{"video": "Pan left."}],
        description="The first drafts by kind of asset: video, starting_image or narration.",
    )
    scene_id: ScriptId | None = Field(None, description="The scene's id in the tool that wrote the script.")
    shot_id: ScriptId | None = Field(None, description="The shot's id in the tool that wrote the script.")
    style: OwnText | None = Field(
        None, description="Added to the project's style in this segment's pictures and video."
    )
    characters: OwnText | None = Field(
        None, description="Added to the project's text about the characters in this segment's pictures and video."
    )
    user_notes: str = Field("", max_length=4000, description="Notes of editors. They are never sent to a model.")
    transition_after: GivenTransition | None = Field(
        None,
        examples=[{"style": "fade", "duration": 0.5}],
        description="The transition into the next segment; null: as the compilation specifies.",
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
    """Fields to change. Fields that are left out keep their value; null clears."""

    type: Literal["scene", "shot", "transition"] = unsent("scene", description="The kind of segment.")
    scene_info: Scene | None = Field(None, description="The scene in the script.")
    duration: Seconds | None = Field(None, description="The target duration in seconds; null: the model's default.")
    scene_id: ScriptId | None = Field(None, description="The scene's id in the tool that wrote the script.")
    shot_id: ScriptId | None = Field(None, description="The shot's id in the tool that wrote the script.")
    style: OwnText | None = Field(
        None, description="Added to the project's style in this segment's pictures and video."
    )
    characters: OwnText | None = Field(
        None, description="Added to the project's text about the characters in this segment's pictures and video."
    )
    user_notes: str | None = Field(
        None, max_length=4000, description="Notes of editors. They are never sent to a model."
    )
    transition_after: GivenTransition | None = Field(
        None,
        examples=[{"style": "fade", "duration": 0.5}],
        description="The transition into the next segment; null: as the compilation specifies.",
    )
