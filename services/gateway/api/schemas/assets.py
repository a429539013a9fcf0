"""Assets: the regenerable slots of an episode."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from services.gateway.api.schemas.base import (
    Body,
    Dated,
    Directions,
    GivenId,
    Id,
    Kind,
    ListOf,
    Resource,
    Revised,
    Setting,
    Timestamp,
    shown,
)
from services.gateway.api.schemas.runs import Run
from services.gateway.api.schemas.versions import Version


class Draft(Resource):
    """What somebody has written and not yet asked for."""

    directions: str | None = Field(
        description="What the user asks for, unstyled: movie directions, a picture's prompt, a narration's script."
    )
    settings: dict[str, Any] = Field(description="The model's own, by name: GET /models lists each model's.")


class Stale(Resource):
    """Why something is out of date."""

    cause: Literal["starting_image"] = Field(description="What changed.")
    since: Timestamp = Field(description="When.")


class Asset(Dated, Revised):
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
    committed_at: Timestamp | None = Field(description="When that happened: `v` of its media URLs.")
    preview: Run | None = Field(description="The run that waits for a decision.")
    active_run_id: Id | None = Field(
        description="The one run that is queued, generating, waiting for a decision or committing; null: none."
    )
    stale: Stale | None = Field(
        description="Something that it was made from has changed since; null: it is as new as that."
    )
    revision: int = Field(description="Of the draft.")


class AssetList(ListOf[Asset]):
    """Newest first; segments in film order."""


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
