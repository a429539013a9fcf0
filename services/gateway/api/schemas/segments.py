"""Segments of an episode."""

from __future__ import annotations

from typing import Any, Literal

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
from shared.contracts.values import TransitionStyle


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

    model_config = ConfigDict(extra="allow")

    prompt: str | None = Field(description="The directions.")
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


class Segment(Dated, Revised):
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
    approved_at: Timestamp | None = Field(description="When the committed video was accepted; null: none is.")
    previous_versions: list[PreviousVersion] = Field(description="Other versions of the video, newest first.")
    committed_version: Version | None = Field(description="What every view but the preview plays.")
    waiting_run_id: Id | None = Field(description="The run whose preview waits for a decision.")
    transition_after: Transition | None = Field(
        description="How it goes over into the next segment; null: as the compilation says."
    )
    user_notes: str = Field(description="Of whoever edits; never sent to a model.")
    assets: SegmentAssets = Field(description="Every slot of it, in the order they were made.")


class SegmentList(ListOf[Segment]):
    """Newest first; segments in film order."""


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
    scene_info: Scene = absent({}, description="What is seen where, and who speaks.")
    duration: Seconds | None = Field(None, description="Seconds.")
    position: Position | None = Field(None, description="From 1; left out: at the end.")
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
    duration: Seconds | None = Field(None, description="Seconds.")
    user_notes: str | None = Field(None, max_length=4000, description="Of whoever edits; never sent to a model.")
    transition_after: GivenTransition | None = Field(
        None,
        examples=[{"style": "fade", "duration": 0.5}],
        description="How it goes over into the next segment; null: as the compilation says.",
    )
