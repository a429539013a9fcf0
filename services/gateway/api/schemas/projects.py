"""Projects, settings, members, uploads, the feed, the caller."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import ConfigDict, Field

from services.gateway.api.schemas.base import Body, Dated, GivenId, Id, Money, Resource, Url, shown, unsent
from services.gateway.api.schemas.episodes import OUTPUT_TAKEN, Output

RoleName = Literal["owner", "editor", "reviewer", "viewer"]


class Project(Dated):
    """Where episodes, members and default settings are."""

    id: Id
    name: str = Field(description="For people.")
    description: str = Field(description="For people.")
    my_role: RoleName = Field(description="The caller's: owner, editor, reviewer or viewer.")
    bytes: int = Field(description="What its versions, films and uploads hold.")
    revision: int = Field(description="Rises with every edit; it is the `ETag`.")


class Character(Resource):
    """Somebody who appears; goes into every prompt that can take it."""

    name: str = Field(description="For people.")
    description: str | None = Field(description="For people.")
    upload_ids: list[Id] = Field(description="Reference images.")


class ReviewPolicy(Resource):
    """How long a preview waits for a decision."""

    deadline_minutes: float | None = Field(description="To decide on a preview; null: no deadline.", examples=[30])


class SpendCap(Resource):
    """What a project may spend."""

    amount: str = Field(examples=["50.00"], description="Decimal, as a text.")
    currency: str = Field(description="ISO 4217.")
    period: Literal["month", "total"] = Field(description="month (UTC) or total.")


class VideoSettings(Resource):
    """The project's defaults for videos; null: not set."""

    model: str | None = Field(description="Its slug, such as `animatic/camera`; null: what the settings say.")
    resolution: str | None = Field(
        description="Width x height as probed, such as 1920x1080; in settings a name of the model's, such as 1080p."
    )
    duration: float | None = Field(description="Seconds.")
    aspect_ratio: str | None = Field(description="Width to height, such as 16:9.")
    seed: int | None = Field(
        description="The same one makes the same again, where the model can; null: each run draws its own."
    )
    image_model: str | None = Field(description="The model of starting images.")


class Settings(Resource):
    """A project's defaults. Values in `video`, `image`, `narration`, `music` are those of the model."""

    project_id: Id
    output: Output = Field(description="The film's size, rate and fit.")
    video: VideoSettings = Field(description="Settings of videos.")
    image: dict[str, Any] = Field(description="Settings of its starting images and other pictures.")
    narration: dict[str, Any] = Field(examples=[{"language": "en"}], description="Settings of narrations.")
    music: dict[str, Any] = Field(description="Settings of the music.")
    style: str | None = Field(description="Put before every prompt, such as `Warm film stock`.")
    characters: list[Character] = Field(description="Who appears.")
    review: ReviewPolicy = Field(description="The decision that closed it; null: none has.")
    workflow: Literal["step_by_step", "monolithic"] = Field(
        description="step_by_step: batches wait for reviews; monolithic: they do not."
    )
    spend_cap: SpendCap | None = Field(description="What the project may spend; null: no limit.")
    revision: int = Field(description="Rises with every edit; it is the `ETag`.")
    updated_at: datetime = Field(description="Rises on any change.")


class NewCharacter(Body):
    """Somebody who appears."""

    name: str = Field(min_length=1, max_length=200, examples=["Ana"], description="For people.")
    description: str | None = Field(None, max_length=4000, description="For people.")
    upload_ids: list[GivenId] = Field([], max_length=10, description="Reference images.")


class ModelSettings(Body):
    """With the model's own settings beside these."""

    model_config = ConfigDict(extra="allow")
    model: str | None = Field(
        None,
        examples=["animatic/camera"],
        description="Its slug, such as `animatic/camera`; null: what the settings say.",
    )


class NewVideoSettings(ModelSettings):
    """The model's own settings, and the model of starting images."""

    image_model: str | None = Field(None, description="The model of starting images.")


class ProjectChanges(Body, json_schema_extra=shown({"name": "Our holidays in Tuscany"})):
    """What is left out stays."""

    name: str = unsent(min_length=1, max_length=200, description="For people.")
    description: str = unsent(max_length=4000, description="For people.")


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
    video: NewVideoSettings | None = Field(
        None, examples=[{"model": "animatic/camera", "resolution": "1080p"}], description="Settings of videos."
    )
    image: ModelSettings | None = Field(None, description="Settings of its starting images and other pictures.")
    narration: ModelSettings | None = Field(None, description="Settings of narrations.")
    music: ModelSettings | None = Field(None, description="Settings of the music.")
    style: str | None = Field(None, max_length=4000, description="Put before every prompt, such as `Warm film stock`.")
    characters: list[NewCharacter] | None = Field(None, max_length=50, description="Who appears.")
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
    """A project to make."""

    name: str = Field(min_length=1, max_length=200, examples=["Our holidays"], description="For people.")
    description: str = Field("", max_length=4000, description="For people.")
    settings: SettingsChanges = Field(SettingsChanges(), description="As PATCH settings takes them.")


class Member(Dated):
    """Somebody who may see a project."""

    user_id: str = Field(description="As the identity provider calls the person; null: nobody.")
    name: str = Field(description="For people.")
    role: RoleName = Field(description="owner, editor, reviewer or viewer.")


class NewMember(Body):
    """Who may see a project from now on."""

    role: RoleName = Field(description="owner, editor, reviewer or viewer.")


class UsageGroup(Resource):
    """What one group spent."""

    key: str = Field(description="What the group is of.")
    runs: int = Field(description="How many runs.")
    amount: str = Field(description="Decimal, as a text.")
    currency: str = Field(description="ISO 4217.")
    estimated: str = Field(description="How much of the amount is an estimate.")


class Usage(Resource):
    """What was spent."""

    project_id: Id
    from_: datetime | None = Field(alias="from", description="The beginning, inclusive.")
    to: datetime | None = Field(description="The end, exclusive.")
    group_by: str = Field(description="What the groups are of.")
    totals: list[Money] = Field(description="By currency.")
    groups: list[UsageGroup] = Field(description="What each group cost.")


class Metrics(Resource):
    """Of videos that a person decided on; null: nothing to measure yet."""

    project_id: Id
    episode_id: Id | None = Field(description="null: of the whole project.")
    segments_reviewed: int = Field(description="Segments that a person decided on.")
    decisions: int = Field(description="By people, on videos.")
    first_time_approval_rate: float | None = Field(
        description="Of the segments reviewed, those whose first decision approved; null: none yet."
    )
    regeneration_rate: float | None = Field(
        description="Of the segments reviewed, those that were rejected at least once; null: none yet."
    )
    mean_rating: float | None = Field(description="Of rated versions, 1 to 5; null: none was rated.")
    ratings: int = Field(description="How many versions were rated.")
    films: int = Field(description="Episodes whose first film was completed.")
    seconds_to_film: float | None = Field(description="From an episode's first run to its first film; mean.")
    mean_film_rating: float | None = Field(description="1 to 5; null: none was rated.")
    film_ratings: int = Field(description="How many films were rated.")
    targets: dict[str, float] = Field(
        description="What should be reached: at least, but of regeneration_rate and seconds_to_film at most.",
        examples=[{"first_time_approval_rate": 0.8, "regeneration_rate": 0.2, "seconds_to_film": 1800}],
    )


class FeedEntry(Resource):
    """One thing that happened to a run; the ids lead to its editor."""

    id: str = Field(description="Of this entry.")
    run_id: Id
    episode_id: Id
    asset_id: Id
    segment_id: Id | None = Field(description="null: the asset is its episode's, such as music.")
    segment_number: int | None = Field(description="From 1, in film order; null: the asset is its episode's.")
    batch_id: Id | None = Field(description="The batch that it belongs to; null: none.")
    kind: str = Field(description="What the slot holds.")
    label: str = Field(description="For people, such as `Segment 1 video`.")
    state: str = Field(description="Where it stands.")
    step: str = Field(description="What is being done, for programs; null: nothing yet.")
    attempt: int = Field(description="From 1; a try that failed and may succeed is followed by the next one.")
    run_status: str = Field(description="The run's now; the entry tells of the past.")
    message: str = Field(description="For people, in one line; null: nothing to say.")
    thumbnail_url: Url
    at: datetime = Field(description="When.")


class Upload(Dated):
    """A file that was sent."""

    id: Id
    project_id: Id
    filename: str = Field(description="As it was sent.")
    content_type: str = Field(description="Of the bytes, as they were recognised.")
    kind: Literal["image", "video", "audio"] = Field(description="What the slot holds.")
    size: int = Field(description="Bytes.")
    sha256: str = Field(description="Of the bytes, in hex.")
    width: int | None = Field(description="Pixels.")
    height: int | None = Field(description="Pixels.")
    duration: float | None = Field(description="Seconds.")
    url: Url


class Model(Resource):
    """A model that can be asked, with what it takes."""

    slug: str = Field(examples=["animatic/camera"], description="Its name in settings and requests.")
    provider: str = Field(description="Who makes it, such as animatic or replicate.")
    title: str = Field(description="For people.")
    kinds: list[str] = Field(description="What it can make.")
    default_for: list[str] = Field(description="Kinds for which it is taken when nobody names a model.")
    settings_schema: dict[str, Any] = Field(description="JSON Schema of the settings, for forms.")
    price: dict[str, Any] | None = Field(description="What a run costs; null: nothing.")
    takes_seed: bool = Field(description="Whether the same seed makes the same again.")
    makes_sound: bool = Field(description="Whether its videos have sound.")
    max_prompt_chars: int | None = Field(description="Longer directions are refused; null: no limit of its own.")
    notes: str = Field(description="What else to know.")
    limits: dict[str, float | None] = Field(
        description="What the provider lets through, of all together: requests per minute, and at once.",
        examples=[{"per_minute": 600, "at_once": None}],
    )
    usable: bool = Field(description="Whether a run of it can be made here now.")
    unusable_reason: str | None = Field(description="What is missing, and how to get it.")


class Quota(Resource):
    """What the caller may do."""

    requests: int = Field(description="In one window.")
    window_s: int = Field(description="Seconds.")
    streams: int = Field(description="Open at the same time.")
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
    """Who is signed in."""

    user_id: str = Field(description="As the identity provider calls the person; null: nobody.")
    name: str = Field(description="For people.")
    scopes: list[str] = Field(description="What the credentials allow: a session reads and never writes.")
    quotas: Quota = Field(description="What the caller may do.")


class Token(Resource):
    """A bearer token."""

    access_token: str = Field(description="Send it as `Authorization: Bearer …`.")
    token_type: Literal["bearer"] = Field(description="Always `bearer`.")
    expires_in: int = Field(description="Seconds.")


class NewTicket(Body):
    """The stream that a ticket is for."""

    stream: str = Field(
        description="The path to open: /events or /projects/{id}/events, with or without /api/v1.",
        json_schema_extra={"pattern": r"^(/api/v1)?(/events|/projects/[0-9a-fA-F-]{36}/events)$"},
        examples=["/projects/01980000-0000-7000-8000-000000000001/events"],
    )


class Ticket(Resource):
    """Opens one stream where no header can be sent."""

    ticket: str = Field(description="Send it as `?ticket=` of the stream.")
    expires_at: datetime = Field(description="It opens one stream before that.")
