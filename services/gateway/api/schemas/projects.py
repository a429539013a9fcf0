"""Projects, settings, members, uploads, the feed, the caller."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import ConfigDict, Field

from services.gateway.api.schemas.base import Body, Dated, GivenId, Id, Money, Resource, Url, shown, unsent
from services.gateway.api.schemas.episodes import OUTPUT_TAKEN, Output

RoleName = Literal["owner", "editor", "reviewer", "viewer"]


class Project(Dated):
    id: Id
    name: str
    description: str
    my_role: RoleName
    bytes: int = Field(description="What its versions, films and uploads hold.")
    revision: int


class Character(Resource):
    name: str
    description: str | None
    upload_ids: list[Id]


class ReviewPolicy(Resource):
    deadline_minutes: float | None = Field(description="To decide on a preview; null: no deadline.", examples=[30])


class SpendCap(Resource):
    amount: str = Field(examples=["50.00"])
    currency: str
    period: Literal["month", "total"]


class VideoSettings(Resource):
    model: str | None
    resolution: str | None
    duration: float | None
    aspect_ratio: str | None
    seed: int | None
    image_model: str | None


class Settings(Resource):
    """A project's defaults. Values in `video`, `image`, `narration`, `music` are those of the model."""

    project_id: Id
    output: Output
    video: VideoSettings
    image: dict[str, Any]
    narration: dict[str, Any] = Field(examples=[{"language": "en"}])
    music: dict[str, Any]
    style: str | None
    characters: list[Character]
    review: ReviewPolicy
    workflow: Literal["step_by_step", "monolithic"]
    spend_cap: SpendCap | None
    revision: int
    updated_at: datetime


class NewCharacter(Body):
    name: str = Field(min_length=1, max_length=200, examples=["Ana"])
    description: str | None = Field(None, max_length=4000)
    upload_ids: list[GivenId] = Field([], max_length=10, description="Reference images.")


class ModelSettings(Body):
    """With the model's own settings beside these."""

    model_config = ConfigDict(extra="allow")
    model: str | None = Field(None, examples=["animatic/camera"])


class NewVideoSettings(ModelSettings):
    image_model: str | None = None


class ProjectChanges(Body, json_schema_extra=shown({"name": "Our holidays in Tuscany"})):
    name: str = unsent(min_length=1, max_length=200)
    description: str = unsent(max_length=4000)


class SettingsChanges(
    Body,
    json_schema_extra=shown(
        {
            "video": {"model": "animatic/camera", "resolution": "1080p"},
            "style": "Warm film stock",
            "review": {"deadline_minutes": 60},
        }
    ),
):
    """A merge patch: sections merge, null takes a setting away. `spend_cap` and `review` need an owner."""

    output: dict[str, Any] | None = Field(
        None,
        examples=[{"width": 1280, "height": 720, "fps": 25, "fit": "crop"}],
        description=f"Of new episodes. {OUTPUT_TAKEN}",
    )
    video: NewVideoSettings | None = Field(None, examples=[{"model": "animatic/camera", "resolution": "1080p"}])
    image: ModelSettings | None = None
    narration: ModelSettings | None = None
    music: ModelSettings | None = None
    style: str | None = Field(None, max_length=4000)
    characters: list[NewCharacter] | None = Field(None, max_length=50)
    review: dict[str, Any] | None = Field(
        None,
        examples=[{"deadline_minutes": 60}],
        description=("`deadline_minutes` to decide on a preview, at most a year; null: no deadline."),
    )
    workflow: Literal["step_by_step", "monolithic"] | None = Field(
        None, description="Whether a batch that does not say waits for reviews; null: the operator's default."
    )
    spend_cap: dict[str, Any] | None = Field(
        None,
        examples=[{"amount": "50", "currency": "USD", "period": "month"}],
        description="`period` is month (UTC) or total.",
    )


class NewProject(Body, json_schema_extra=shown({"name": "Our holidays", "settings": {"style": "Warm film stock"}})):
    name: str = Field(min_length=1, max_length=200, examples=["Our holidays"])
    description: str = Field("", max_length=4000)
    settings: SettingsChanges = Field(SettingsChanges(), description="As PATCH settings takes them.")


class Member(Dated):
    user_id: str
    name: str
    role: RoleName


class NewMember(Body):
    role: RoleName


class UsageGroup(Resource):
    key: str
    runs: int
    amount: str
    currency: str
    estimated: str = Field(description="How much of the amount is an estimate.")


class Usage(Resource):
    project_id: Id
    from_: datetime | None = Field(alias="from")
    to: datetime | None
    group_by: str
    totals: list[Money]
    groups: list[UsageGroup]


class Metrics(Resource):
    """Of videos that a person decided on; null: nothing to measure yet."""

    project_id: Id
    episode_id: Id | None
    segments_reviewed: int
    decisions: int
    first_time_approval_rate: float | None
    regeneration_rate: float | None
    mean_rating: float | None
    ratings: int
    films: int = Field(description="Episodes whose first film was completed.")
    seconds_to_film: float | None = Field(description="From an episode's first run to its first film; mean.")
    mean_film_rating: float | None
    film_ratings: int
    targets: dict[str, float] = Field(
        description="What should be reached: at least, but of regeneration_rate and seconds_to_film at most.",
        examples=[{"first_time_approval_rate": 0.8, "regeneration_rate": 0.2, "seconds_to_film": 1800}],
    )


class FeedEntry(Resource):
    """One thing that happened to a run; the ids lead to its editor."""

    id: str
    run_id: Id
    episode_id: Id
    asset_id: Id
    segment_id: Id | None
    segment_number: int | None
    batch_id: Id | None
    kind: str
    label: str
    state: str
    step: str
    attempt: int
    run_status: str
    message: str
    thumbnail_url: Url
    at: datetime


class Upload(Dated):
    id: Id
    project_id: Id
    filename: str
    content_type: str
    kind: Literal["image", "video", "audio"]
    size: int
    sha256: str
    width: int | None
    height: int | None
    duration: float | None
    url: Url


class Model(Resource):
    slug: str = Field(examples=["animatic/camera"])
    provider: str
    title: str
    kinds: list[str]
    default_for: list[str]
    settings_schema: dict[str, Any] = Field(description="JSON Schema of the settings, for forms.")
    price: dict[str, Any] | None
    takes_seed: bool
    makes_sound: bool
    max_prompt_chars: int | None
    notes: str
    limits: dict[str, float | None] = Field(
        description="What the provider lets through, of all together: requests per minute, and at once.",
        examples=[{"per_minute": 600, "at_once": None}],
    )
    usable: bool = Field(description="Whether a run of it can be made here now.")
    unusable_reason: str | None = Field(description="What is missing, and how to get it.")


class Quota(Resource):
    requests: int
    window_s: int
    streams: int
    generations: int | None = Field(
        description="In any 24 hours, over all projects; each variant counts. null: no limit.", examples=[5000]
    )
    generations_used: int = Field(description="In the last 24 hours.")
    spend: Money | None = Field(
        description="What your runs may cost in a calendar month (UTC), beside the caps of projects. null: no limit."
    )
    spent: Money = Field(description="What they have cost since `spent_since`.")
    spent_since: datetime = Field(description="When the month began.")


class Me(Resource):
    user_id: str
    name: str
    scopes: list[str]
    quotas: Quota


class Token(Resource):
    access_token: str
    token_type: Literal["bearer"]
    expires_in: int = Field(description="Seconds.")


class NewTicket(Body):
    stream: str = Field(
        description="The path to open: /events or /projects/{id}/events, with or without /api/v1.",
        json_schema_extra={"pattern": r"^(/api/v1)?(/events|/projects/[0-9a-fA-F-]{36}/events)$"},
        examples=["/projects/01980000-0000-7000-8000-000000000001/events"],
    )


class Ticket(Resource):
    ticket: str
    expires_at: datetime
