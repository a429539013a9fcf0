"""Episodes, their order and history."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from services.gateway.api.schemas.assets import Asset
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
from services.gateway.api.schemas.segments import Segment

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


class EpisodeHead(Dated, Revised):
    id: Id
    project_id: Id
    title: str = Field(description="For people.")
    description: str = Field(description="For people.")
    output: Output = Field(description="The film's size, rate and fit.")
    order_revision: int = Field(description="Rises when the order changes: the `ETag` of the order.")


class EpisodeSummary(EpisodeHead):
    """An episode in a list."""

    segment_count: int = Field(description="How many segments it has.")
    thumbnail_url: Url


class EpisodeSummaryList(ListOf[EpisodeSummary]):
    """Newest first; segments in film order."""


class Episode(EpisodeHead):
    """The snapshot that clients refresh from."""

    segments: list[Segment] = Field(description="In film order.")
    assets: list[Asset] = Field(description="Every slot of it, in the order they were made.")
    cursor: str = Field(
        description="Open the project's stream with it as `last_event_id`: nothing is missed.", examples=["5d0c…:1042"]
    )


class Order(Revised):
    """An episode's segments, in film order."""

    segment_ids: list[Id] = Field(description="In this order.")


class Revision(Resource):
    """A change of an episode."""

    number: int = Field(description="Per episode, from 1.")
    episode_id: Id
    change: str = Field(examples=["commit"], description="What changed.")
    details: dict[str, Any] = Field(description="Of the change, by its kind.")
    actor: Actor = Field(description="Who caused it.")
    created_at: Timestamp = Field(description="When it was made.")


class RevisionList(ListOf[Revision]):
    """Newest first; segments in film order."""


class NewEpisode(Body, json_schema_extra=shown({"description": "A short film about coffee."} | EXAMPLE_DOCUMENT)):
    """A document (see POST imports) without starting images. Its fields are checked with a pointer each."""

    title: str = Field(min_length=1, max_length=300, description="For people.")
    description: str | None = Field(None, max_length=4000, description="For people.")
    output: GivenOutput | None = Field(None, description=OUTPUT_TAKEN, examples=[{"width": 1280, "height": 720}])
    directions: GivenDirections | None = Field(
        None,
        examples=[{"music": "Warm and slow"}],
        description="What the user asks for, unstyled: movie directions, a picture's prompt, a narration's script.",
    )
    segments: list[GivenSegment] | None = Field(
        None, max_length=500, examples=[EXAMPLE_DOCUMENT["segments"]], description="In film order."
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
    """What is left out stays."""

    title: str = unsent(min_length=1, max_length=300, description="For people.")
    description: str = unsent(max_length=4000, description="For people.")
    output: GivenOutput = unsent({}, description=OUTPUT_TAKEN, examples=[{"width": 1280, "height": 720}])


class NewOrder(Body, json_schema_extra=shown({"segment_ids": [EXAMPLE_ID]})):
    """The order that is wanted: every segment once."""

    segment_ids: list[GivenId] = Field(max_length=500, description="Every segment once.")
