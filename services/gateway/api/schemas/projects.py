"""Projects, their settings, spending, metrics and feed."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import AliasChoices, ConfigDict, Field

from services.gateway.api.schemas.accounts import RoleName
from services.gateway.api.schemas.base import (
    Body,
    Dated,
    GivenId,
    Id,
    ListOf,
    Money,
    Resource,
    Revised,
    Timestamp,
    Url,
    absent,
    shown,
    unsent,
)
from services.gateway.api.schemas.documents import GivenOutput, GivenSpendCap
from services.gateway.api.schemas.episodes import OUTPUT_TAKEN, Output


class Project(Dated, Revised):
    """Where episodes, members and default settings are."""

    id: Id
    name: str = Field(description="For people.")
    description: str = Field(description="For people.")
    my_role: RoleName = Field(description="The caller's: owner, editor, reviewer or viewer.")
    bytes: int = Field(description="What its versions, films and uploads hold.")


class ProjectList(ListOf[Project]):
    """Newest first; segments in film order."""


class ProjectCharacter(Resource):
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
    """The project's defaults for videos, with further settings of the model; null: not set."""

    model_config = ConfigDict(extra="allow")

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


class Settings(Revised):
    """A project's defaults. Values in `video`, `image`, `narration`, `music` are those of the model."""

    project_id: Id
    output: Output = Field(description="The film's size, rate and fit.")
    video: VideoSettings = Field(description="Settings of videos.")
    image: dict[str, Any] = Field(description="Settings of its starting images and other pictures.")
    narration: dict[str, Any] = Field(examples=[{"language": "en"}], description="Settings of narrations.")
    music: dict[str, Any] = Field(description="Settings of the music.")
    style: str | None = Field(description="Put before every prompt, such as `Warm film stock`.")
    characters: list[ProjectCharacter] = Field(description="Who appears.")
    review: ReviewPolicy = Field(description="How long previews wait for a decision.")
    workflow: Literal["step_by_step", "monolithic"] = Field(
        description="step_by_step: batches wait for reviews; monolithic: they do not."
    )
    spend_cap: SpendCap | None = Field(description="What the project may spend; null: no limit.")
    updated_at: Timestamp = Field(description="Rises on any change.")


class NewProjectCharacter(Body):
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

    output: GivenOutput | None = Field(
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
    characters: list[NewProjectCharacter] | None = Field(None, max_length=50, description="Who appears.")
    review: dict[str, Any] | None = Field(
        None,
        examples=[{"deadline_minutes": 60}],
        description=("`deadline_minutes` to decide on a preview, at most a year; null: no deadline."),
    )
    workflow: Literal["step_by_step", "monolithic"] | None = Field(
        None, description="Whether a batch that does not say waits for reviews; null: the operator's default."
    )
    spend_cap: GivenSpendCap | None = Field(
        None,
        examples=[{"amount": "50", "currency": "USD", "period": "month"}],
        description="`period` is month (UTC) or total.",
    )


class NewProject(Body, json_schema_extra=shown({"name": "Our holidays", "settings": {"style": "Warm film stock"}})):
    """A project to make."""

    name: str = Field(min_length=1, max_length=200, examples=["Our holidays"], description="For people.")
    description: str = Field("", max_length=4000, description="For people.")
    settings: SettingsChanges = absent(SettingsChanges(), description="As PATCH settings takes them.")


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
    from_: Timestamp | None = Field(
        validation_alias=AliasChoices("from", "from_"),
        serialization_alias="from",
        description="The beginning, inclusive.",
    )
    to: Timestamp | None = Field(description="The end, exclusive.")
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
    at: Timestamp = Field(description="When.")


class FeedEntryList(ListOf[FeedEntry]):
    """Newest first; segments in film order."""
