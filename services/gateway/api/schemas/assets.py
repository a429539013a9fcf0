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
    OpenObject,
    Resource,
    Revised,
    Setting,
    Timestamp,
    shown,
)
from services.gateway.api.schemas.runs import Run
from services.gateway.api.schemas.versions import Version


class Draft(Resource):
    """Directions and settings that are saved for the next run."""

    directions: str | None = Field(
        description=(
            "What to generate, without the project's style: directions of a video, a prompt of an "
            "image, or the text of a narration; null: not saved."
        )
    )
    settings: dict[str, Any] = Field(description="Settings of the model by name: see `settings_schema` in GET /models.")


class Stale(Resource):
    """Why an asset is out of date."""

    cause: Literal["starting_image"] = Field(description="The kind of change.")
    since: Timestamp = Field(description="When it happened.")


class Asset(Dated, Revised):
    """A part of an episode that can be regenerated. Its id never changes."""

    id: Id
    project_id: Id
    episode_id: Id
    segment_id: Id | None = Field(description="The segment; null: the asset belongs to the episode, such as music.")
    segment_number: int | None = Field(
        description="The segment's number in film order, from 1; null: the asset belongs to the episode."
    )
    kind: Kind = Field(description="The kind of asset.")
    label: str = Field(examples=["Segment 1 video"], description="A display name, such as `Segment 1 video`.")
    draft: Draft | None = Field(description="Directions and settings that are saved for the next run; null: none.")
    defaults: dict[str, Setting] = Field(description="The settings of a run that overrides none.")
    committed: Version | None = Field(description="The version that films and all other views use; null: none yet.")
    committed_at: Timestamp | None = Field(description="When the version was committed: `v` in its media URLs.")
    preview: Run | None = Field(description="The run whose preview waits for a decision; null: none.")
    active_run_id: Id | None = Field(
        description="The run that is queued, generating, waiting for a decision or committing; null: none."
    )
    stale: Stale | None = Field(
        description="Set if an input of the committed version has changed since; null: up to date."
    )
    revision: int = Field(description="The revision of the draft: it rises with every edit and is the `ETag`.")


class AssetOutline(Resource):
    """The state of an asset, without its versions and settings."""

    id: Id
    segment_id: Id | None = Field(description="The segment; null: the asset belongs to the episode, such as music.")
    kind: Kind = Field(description="The kind of asset.")
    label: str = Field(examples=["Segment 1 video"], description="A display name.")
    has_draft: bool = Field(description="Whether a draft is saved.")
    committed_version_id: Id | None = Field(description="The committed version; null: none yet.")
    committed_at: Timestamp | None = Field(description="When the version was committed; null: none yet.")
    active_run_id: Id | None = Field(
        description="The run that is queued, generating, waiting for a decision or committing; null: none."
    )
    active_status: str | None = Field(
        examples=["generating"], description="The status of the active run; null: there is none."
    )
    stale: bool = Field(description="Whether an input of the committed version has changed since.")
    revision: int = Field(description="The revision of the draft.")
    updated_at: Timestamp = Field(description="When the asset or its runs last changed.")


class AssetList(ListOf[Asset]):
    """Assets of an episode, in the order of creation."""


class NewAsset(Body, json_schema_extra=shown({"kind": "image", "label": "Title picture"})):
    """An asset to add to an episode."""

    kind: Literal["image"] = Field(description="The kind of asset.")
    label: str = Field(min_length=1, max_length=200, description="A display name.")
    segment_id: GivenId | None = Field(None, description="The segment that the asset belongs to; null: the episode.")


class NewDraft(
    Body,
    json_schema_extra=shown(
        {
            "directions": "Slowly push in on the cup.",
            "settings": {"model": "animatic/camera", "resolution": "1080p"},
        }
    ),
):
    """The draft to save."""

    directions: Directions | None = Field(
        None,
        description=(
            "What to generate, without the project's style: directions of a video, a prompt for an "
            "image, or the text of a narration."
        ),
    )
    settings: OpenObject = Field(
        {},
        examples=[{"model": "animatic/camera", "resolution": "1080p"}],
        description="Settings of the model by name: see `settings_schema` in GET /models.",
    )
