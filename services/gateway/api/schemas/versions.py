"""Versions: the results of runs."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from services.gateway.api.schemas.base import (
    EXAMPLE_ID,
    Body,
    Costs,
    Dated,
    Directions,
    GivenId,
    Id,
    Kind,
    ListOf,
    Resource,
    Score,
    Setting,
    Timestamp,
    Url,
    shown,
)


class Version(Dated):
    """The immutable result of a run."""

    id: Id
    project_id: Id
    episode_id: Id
    asset_id: Id
    segment_id: Id | None = Field(description="null: the asset is its episode's, such as music.")
    segment_number: int | None = Field(description="From 1, in film order; null: the asset is its episode's.")
    run_id: Id
    kind: Kind = Field(description="What the slot holds.")
    number: int = Field(description="Per asset, from 1.")
    status: Literal["preview", "accepted", "rejected", "expired", "not_chosen"] = Field(
        description="What became of it."
    )
    committed: bool = Field(description="The one that the rest of the world sees.")
    gone: bool = Field(description="Retention has deleted its bytes.")
    directions: str = Field(
        description="What the user asks for, unstyled: movie directions, a picture's prompt, a narration's script."
    )
    style: str | None = Field(description="The project's then, and what the run added to it; not part of directions.")
    character_prompt: str | None = Field(description="Added to the characters' text, for this run; null: nothing.")
    model: str | None = Field(description="Its slug, such as `animatic/camera`; null: what the settings say.")
    provider: str = Field(examples=["animatic"], description="Who makes it, such as animatic or replicate.")
    seed: int | None = Field(
        description="The same one makes the same again, where the model can; null: each run draws its own."
    )
    settings: dict[str, Setting] = Field(description="The model's own, by name: GET /models lists each model's.")
    starting_image_version_id: Id | None = Field(description="The starting image that it was made from; null: none.")
    parent_version_id: Id | None = Field(description="What it was made to replace.")
    url: Url
    thumbnail_url: Url
    filmstrip_url: Url
    proxy_url: Url
    content_type: str = Field(description="Of the bytes, as they were recognised.")
    size: int = Field(description="Bytes.")
    duration: float | None = Field(description="Seconds, as probed.")
    resolution: str | None = Field(description="As probed.", examples=["1920x1080"])
    aspect_ratio: str | None = Field(description="Width to height, such as 16:9.")
    fps: float | None = Field(description="Frames per second.")
    quality_metrics: dict[str, float | None] = Field(description="Measured from pixels; scores are 0 to 1.")
    unmeasured: dict[str, str] = Field(description="Why a metric is null.")
    cost: Costs = Field(description="What it cost.")
    info: dict[str, Any] = Field(description="The provider's own facts, such as `animatic: true`.")
    provenance: Literal["signed", "unsigned"] | None = Field(description="Of its Content Credentials.")
    unsigned_reason: str | None = Field(description="Why it carries none.")
    accepted_at: Timestamp | None = Field(description="null: it was not accepted.")


class VersionList(ListOf[Version]):
    """Newest first; segments in film order."""


class Difference(Resource):
    """A field in which versions differ, with the value of each."""

    field: str = Field(description="What differs.")
    values: list[Any] = Field(description="In the order of the versions.")


class Comparison(Resource):
    """Versions side by side."""

    versions: list[Version] = Field(description="The candidates.")
    differences: list[Difference] = Field(description="Fields in which they differ.")


class NewVersion(
    Body,
    json_schema_extra=shown(
        {
            "upload_id": EXAMPLE_ID,
            "directions": "My own take of this scene.",
        }
    ),
):
    """One's own file as a version: exactly one of `upload_id` and `url`."""

    upload_id: GivenId | None = Field(None, description="Of POST …/uploads.")
    url: str | None = Field(None, max_length=2000, description="https only.")
    directions: Directions | None = Field(
        None,
        description="What the user asks for, unstyled: movie directions, a picture's prompt, a narration's script.",
    )


class PreviousVersion(Resource):
    """An earlier or rejected version of a segment's video, in short."""

    id: Id
    run_id: Id
    number: int = Field(description="Of the asset's versions, from 1.")
    status: str = Field(description="Where it stands.")
    url: Url
    thumbnail_url: Url
    directions: str = Field(
        description="What the user asks for, unstyled: movie directions, a picture's prompt, a narration's script."
    )
    model: str | None = Field(description="Its slug, such as `animatic/camera`; null: what the settings say.")
    duration: float | None = Field(description="Seconds.")
    quality_score: Score
    created_at: Timestamp = Field(description="When it was made.")
