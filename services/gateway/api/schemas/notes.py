"""Notes about versions."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from services.gateway.api.schemas.base import (
    At,
    Body,
    Dated,
    Extent,
    Flag,
    Id,
    ListOf,
    Resource,
    Revised,
    Share,
    Timestamp,
    shown,
    unsent,
)
from services.gateway.domain.notes import MAX_TEXT

NoteText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_TEXT)]


class NoteBox(Resource):
    """A rectangle of the picture, in shares of its width and height, from the top left."""

    x: float = Field(description="The left edge, from 0 to 1.")
    y: float = Field(description="The upper edge, from 0 to 1.")
    width: float = Field(description="From 0 to 1.")
    height: float = Field(description="From 0 to 1.")


class Note(Dated, Revised):
    """What a person says about a moment or a part of a version."""

    id: Id
    project_id: Id
    episode_id: Id
    asset_id: Id
    version_id: Id
    at: float = Field(description="Seconds from the version's start; 0 for pictures.")
    until: float | None = Field(description="Where the part ends, in seconds; null: a moment.")
    text: str = Field(description="What was said.", examples=["Too slow"])
    box: NoteBox | None = Field(description="Where in the picture; null: all of it.")
    change: str = Field(
        description=(
            "The note as a line for `prompt_modifications`: a rejection can send it to the next version. English, with "
            "the time in seconds."
        ),
        examples=["From 2.4 s to 3.1 s, in the bottom left of the picture: Too slow"],
    )
    user_id: str = Field(description="Who wrote it.")
    author: str | None = Field(description="Their name; null: not known any more.")
    resolved: bool = Field(description="Whether it needs no more attention.")
    resolved_at: Timestamp | None = Field(description="When it was resolved; null: it is open.")
    resolved_by: str | None = Field(description="Who resolved it; null: it is open.")


class NoteList(ListOf[Note]):
    """The notes about a version, in the order of their times."""


class GivenBox(Body):
    """A rectangle within the picture, in shares of its width and height, from the top left."""

    x: Share = Field(description="The left edge, from 0 to 1.")
    y: Share = Field(description="The upper edge, from 0 to 1.")
    width: Extent = Field(description="`x + width` is at most 1.")
    height: Extent = Field(description="`y + height` is at most 1.")


class NewNote(
    Body,
    json_schema_extra=shown(
        {
            "at": 2.4,
            "until": 3.1,
            "text": "Too slow",
            "box": {"x": 0.1, "y": 0.6, "width": 0.2, "height": 0.3},
        }
    ),
):
    """A note about a moment, a part or all of a version."""

    at: At = Field(0, description="Seconds from the version's start. Leave it out for pictures.")
    until: At | None = Field(None, description="Where the part ends, in seconds; null: a moment.")
    text: NoteText = Field(description="What to say. It reaches no model by itself.")
    box: GivenBox | None = Field(None, description="Where in the picture; null: all of it.")


class NoteChanges(Body, json_schema_extra=shown({"resolved": True})):
    """What is left out stays."""

    at: At = unsent(0.0, description="Seconds from the version's start.")
    until: At | None = unsent(None, description="Where the part ends, in seconds; null: a moment.")
    text: NoteText = unsent("", description="What to say.")
    box: GivenBox | None = unsent(None, description="Where in the picture; null: all of it.")
    resolved: Flag = unsent(False, description="Whether it needs no more attention.")
