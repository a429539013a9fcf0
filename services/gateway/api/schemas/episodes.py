"""Episodes, their order and history."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from pydantic import Field, model_validator

from services.gateway.api.schemas.assets import Asset, AssetOutline
from services.gateway.api.schemas.base import (
    EXAMPLE_ID,
    Actor,
    Body,
    Dated,
    GivenId,
    Id,
    ListOf,
    Resource,
    Revised,
    Timestamp,
    Url,
    shown,
    unsent,
)
from services.gateway.api.schemas.documents import GivenDirections, GivenOutput, GivenSegment
from services.gateway.api.schemas.segments import Segment, SegmentOutline
from shared.contracts import values
from shared.contracts.frame_rates import rate_number

EXAMPLE_DOCUMENT: Final[dict[str, Any]] = {
    "title": "Morning",
    "description": "A short film about coffee.",
    "output": {"width": 1280, "height": 720, "fps": 24, "fit": "blur"},
    "directions": {"music": "Warm and slow, piano"},
    "segments": [
        {
            "type": "scene",
            "scene_id": "sc-1",
            "shot_id": "sh-1",
            "style": "cold morning light",
            "characters": "Ann wears a red coat",
            "scene_info": {
                "scene_number": 1,
                "location": "Kitchen",
                "description": "A cup of coffee by the window",
                "characters": ["Ann"],
                "dialogue": [{"character": "Ann", "text": "The day begins."}],
            },
            "duration": 5,
            "directions": {
                "video": "Slowly push in on the cup.",
                "starting_image": "A cup of coffee on a window sill, morning light",
                "narration": "The day begins.",
            },
            "transition_after": {"style": "dissolve", "duration": 0.5},
        },
        {
            "type": "shot",
            "scene_info": {"scene_number": 1, "location": "Kitchen", "description": "Ann drinks and looks outside"},
            "duration": 4,
        },
    ],
}
"""A document without starting images: POST episodes takes none."""


OUTPUT_TAKEN = (
    "`width` and `height` are even, up to 3840x2160, 2160x3840 or 2160x2160; `fps` is 23.976, 24, 25, 29.97, 30, 50, "
    "59.94, 60, or 12 for drafts, or else `frame_rate` is its exact fraction, such as 24000/1001; `fit` is "
    "crop, pad or blur."
)


class Output(Resource):
    """The size, frame rate and fit of films."""

    width: int = Field(examples=[1920], description="Pixels.")
    height: int = Field(examples=[1080], description="Pixels.")
    fps: float = Field(examples=[24, 23.976], description="Frames per second, rounded: see `frame_rate`.")
    frame_rate: str = Field(examples=["24", "24000/1001"], description="Frames per second, exact, as a fraction.")
    fit: Literal["crop", "pad", "blur"] = Field(
        description=(
            "How pictures of another shape are fitted: cropped, padded with black, or padded with a "
            "blurred copy of themselves."
        )
    )

    @model_validator(mode="before")
    @classmethod
    def _of_value(cls, stored: Any) -> Any:
        if not isinstance(stored, Mapping):
            return stored
        value = values.Output.model_validate(stored)
        return value.model_dump() | {"fps": rate_number(value.rate), "frame_rate": str(value.rate)}


class EpisodeHead(Dated, Revised):
    id: Id
    project_id: Id
    title: str = Field(description="The title of the episode.")
    description: str = Field(description="What the episode is about.")
    output: Output = Field(description="The size, frame rate and fit of films.")
    order_revision: int = Field(description="Rises when the order changes. It is the `ETag` of the order.")


class EpisodeSummary(EpisodeHead):
    """An episode in a list."""

    segment_count: int = Field(description="The number of segments.")
    thumbnail_url: Url


class EpisodeSummaryList(ListOf[EpisodeSummary]):
    """Episodes of a project, newest first."""


class Episode(EpisodeHead):
    """An episode with its segments and assets: the snapshot that clients refresh from."""

    segments: list[Segment] = Field(description="The segments in film order.")
    assets: list[Asset] = Field(description="The assets of the episode, in the order of creation.")
    cursor: str = Field(
        description="Open the project's stream with this as `last_event_id` to miss no event.",
        examples=["0f8f7a6e-2f0b-4c57-9a43-5d0c8e1b7a12:1042"],
    )


class EpisodeOutline(EpisodeHead):
    """An episode as a timeline shows it: a fifth of the snapshot. GET the segment or the asset for the rest."""

    segments: list[SegmentOutline] = Field(description="The segments in film order.")
    assets: list[AssetOutline] = Field(description="The assets of the episode, in the order of creation.")
    cursor: str = Field(
        description="Open the project's stream with this as `last_event_id` to miss no event.",
        examples=["0f8f7a6e-2f0b-4c57-9a43-5d0c8e1b7a12:1042"],
    )


class Order(Revised):
    """The order of an episode's segments."""

    segment_ids: list[Id] = Field(description="The ids of all segments, in film order.")


class Revision(Resource):
    """A change of an episode."""

    number: int = Field(description="The number of the revision within its episode, from 1.")
    episode_id: Id
    change: str = Field(examples=["commit"], description="The kind of change.")
    details: dict[str, Any] = Field(description="Details that depend on the kind of change.")
    actor: Actor = Field(description="Who made the change.")
    created_at: Timestamp = Field(description="When the change was made.")


class RevisionList(ListOf[Revision]):
    """Changes of an episode, newest first."""


class NewEpisode(Body, json_schema_extra=shown(EXAMPLE_DOCUMENT)):
    """An episode as a document without starting images (see POST imports)."""

    title: str = Field(min_length=1, max_length=300, description="The title of the episode.")
    description: str | None = Field(None, max_length=4000, description="What the episode is about.")
    output: GivenOutput | None = Field(None, description=OUTPUT_TAKEN, examples=[{"width": 1280, "height": 720}])
    directions: GivenDirections | None = Field(
        None,
        examples=[{"music": "Warm and slow"}],
        description="The first draft of the music.",
    )
    segments: list[GivenSegment] | None = Field(
        None, max_length=500, examples=[EXAMPLE_DOCUMENT["segments"]], description="The segments in film order."
    )


class EpisodeChanges(
    Body,
    json_schema_extra=shown(
        {
            "title": "Morning, again",
            "output": {"width": 1280, "height": 720},
        }
    ),
):
    """Fields to change. Fields that are left out keep their value."""

    title: str = unsent(min_length=1, max_length=300, description="The title of the episode.")
    description: str = unsent(max_length=4000, description="What the episode is about.")
    output: GivenOutput = unsent({}, description=OUTPUT_TAKEN, examples=[{"width": 1280, "height": 720}])


class NewOrder(Body, json_schema_extra=shown({"segment_ids": [EXAMPLE_ID]})):
    """The new order of an episode's segments."""

    segment_ids: list[GivenId] = Field(max_length=500, description="The ids of all segments, each exactly once.")
