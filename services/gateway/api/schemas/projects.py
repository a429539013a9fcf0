"""Projects, their settings, spending, metrics and feed."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import AliasChoices, ConfigDict, Field, model_validator

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
    Said,
    Timestamp,
    Url,
    absent,
    bounded_object,
    shown,
    unsent,
)
from services.gateway.api.schemas.documents import GivenOutput, GivenSpendCap
from services.gateway.api.schemas.episodes import OUTPUT_TAKEN, Output
from services.gateway.domain.open_objects import MAX_NAMES


class Project(Dated, Revised):
    """A project: the home of episodes, members and default settings."""

    id: Id
    name: str = Field(description="The name of the project.")
    description: str = Field(description="What the project is about.")
    my_role: RoleName = Field(description="The role of the authenticated user.")
    bytes: int = Field(description="The size of its versions, films and uploads in bytes.")


class ProjectList(ListOf[Project]):
    """Projects of the user, newest first."""


class ProjectCharacter(Resource):
    """A character of the project. It is part of the prompts of all models that support it."""

    name: str = Field(description="The name of the character.")
    description: str | None = Field(description="What the character looks like.")
    upload_ids: list[Id] = Field(description="Reference images.")


class ReviewPolicy(Resource):
    """How long a preview waits for a decision."""

    deadline_minutes: float | None = Field(
        description="Minutes until a preview expires; null: previews do not expire.", examples=[30]
    )


class SpendCap(Resource):
    """The greatest amount that a project may spend in a period."""

    amount: str = Field(examples=["50.00"], description="A decimal number as a string.")
    currency: str = Field(description="The currency code (ISO 4217).")
    period: Literal["month", "total"] = Field(description="month (UTC) or total.")


class VideoSettings(Resource):
    """The project's defaults for videos, including further settings of the model; null: not set."""

    model_config = ConfigDict(extra="allow")

    model: str | None = Field(
        description="The slug of the model, such as `animatic/camera`; null: the project's default."
    )
    resolution: str | None = Field(description="A size that the model offers, such as 1080p.")
    duration: float | None = Field(description="Seconds.")
    aspect_ratio: str | None = Field(description="Width to height, such as 16:9.")
    seed: int | None = Field(
        description=(
            "Runs with the same seed give the same result, where the model supports it; null: each "
            "run draws its own seed."
        )
    )
    image_model: str | None = Field(description="The slug of the model for starting images.")


class Settings(Revised):
    """A project's defaults. The fields of `video`, `image`, `narration` and `music` are settings of the model."""

    project_id: Id
    output: Output = Field(description="The size, frame rate and fit of films.")
    video: VideoSettings = Field(description="The settings of videos.")
    image: dict[str, Any] = Field(description="The settings of starting images and other images.")
    narration: dict[str, Any] = Field(examples=[{"language": "en"}], description="The settings of narrations.")
    music: dict[str, Any] = Field(description="The settings of music.")
    style: str | None = Field(description="Text that is put before every prompt, such as `Warm film stock`.")
    characters: list[ProjectCharacter] = Field(description="The characters of the project.")
    review: ReviewPolicy = Field(description="How long previews wait for a decision.")
    workflow: Literal["step_by_step", "monolithic"] = Field(
        description="step_by_step: batches wait for reviews; monolithic: they do not."
    )
    spend_cap: SpendCap | None = Field(description="The spend cap of the project; null: no limit.")
    updated_at: Timestamp = Field(description="When the resource last changed. It rises with every change.")


class NewProjectCharacter(Body):
    """A character of the project."""

    name: str = Field(min_length=1, max_length=200, examples=["Ana"], description="The name of the character.")
    description: str | None = Field(None, max_length=4000, description="What the character looks like.")
    upload_ids: list[GivenId] = Field([], max_length=10, description="Reference images.")


class ModelSettings(Body):
    """The default model and further settings of the model."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"maxProperties": MAX_NAMES})
    model: str | None = Field(
        None,
        max_length=200,
        examples=["animatic/camera"],
        description="The slug of the model, such as `animatic/camera`; null: the project's default.",
    )

    @model_validator(mode="before")
    @classmethod
    def _bounded(cls, value: Any) -> Any:
        return bounded_object(value) if isinstance(value, dict) else value


class NewVideoSettings(ModelSettings):
    """The project's defaults for videos, including further settings of the model."""

    image_model: str | None = Field(None, max_length=200, description="The slug of the model for starting images.")


class ProjectChanges(Body, json_schema_extra=shown({"name": "Our holidays in Tuscany"})):
    """Fields to change. Fields that are left out keep their value."""

    name: str = unsent(min_length=1, max_length=200, description="The name of the project.")
    description: str = unsent(max_length=4000, description="What the project is about.")


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
    """Settings to change: objects are merged, null removes a setting. `spend_cap` and `review` require an owner."""

    output: GivenOutput | None = Field(
        None,
        examples=[{"width": 1280, "height": 720, "fps": 25, "fit": "crop"}],
        description=f"Of new episodes. {OUTPUT_TAKEN}",
    )
    video: NewVideoSettings | None = Field(
        None, examples=[{"model": "animatic/camera", "resolution": "1080p"}], description="The settings of videos."
    )
    image: ModelSettings | None = Field(None, description="The settings of starting images and other images.")
    narration: ModelSettings | None = Field(None, description="The settings of narrations.")
    music: ModelSettings | None = Field(None, description="The settings of music.")
    style: str | None = Field(
        None,
        max_length=4000,
        description="Text that is put before every prompt, such as `Warm film stock`; null removes it.",
    )
    characters: list[NewProjectCharacter] | None = Field(
        None, max_length=50, description="The characters of the project."
    )
    review: dict[str, Any] | None = Field(
        None,
        examples=[{"deadline_minutes": 60}],
        description=("`deadline_minutes` to decide on a preview, at most a year; null: no deadline."),
    )
    workflow: Literal["step_by_step", "monolithic"] | None = Field(
        None, description="Whether batches wait for reviews by default; null: the operator's default."
    )
    spend_cap: GivenSpendCap | None = Field(
        None,
        examples=[{"amount": "50", "currency": "USD", "period": "month"}],
        description="`period` is month (UTC) or total.",
    )


class NewProject(Body, json_schema_extra=shown({"name": "Our holidays", "settings": {"style": "Warm film stock"}})):
    """A project to create."""

    name: str = Field(min_length=1, max_length=200, examples=["Our holidays"], description="The name of the project.")
    description: str = Field("", max_length=4000, description="What the project is about.")
    settings: SettingsChanges = absent(SettingsChanges(), description="The first settings, as in PATCH settings.")


class UsageGroup(Resource):
    """The spending of one group."""

    key: str = Field(description="The value that the runs of the group have in common.")
    runs: int = Field(description="The number of runs.")
    amount: str = Field(description="A decimal number as a string.")
    currency: str = Field(description="The currency code (ISO 4217).")
    estimated: str = Field(description="The part of the amount that is an estimate.")
    unknown_runs: int = Field(
        0, description="The number of runs whose cost is not known: the provider may charge, and has not said so."
    )
    unknown_at_most: str = Field("0", description="What these runs cost at most, in addition to the amount.")


class StorageUsage(Resource):
    """What the files of a project take, at this moment."""

    used: int = Field(description="Bytes of its versions, films and uploads that are not deleted.")
    limit: int | None = Field(description="From how many bytes on nothing is added; null: unlimited.")


class Usage(Resource):
    """The spending and the storage of a project."""

    project_id: Id
    from_: Timestamp | None = Field(
        validation_alias=AliasChoices("from", "from_"),
        serialization_alias="from",
        description="The beginning of the period, inclusive; null: unlimited.",
    )
    to: Timestamp | None = Field(description="The end of the period, exclusive; null: unlimited.")
    group_by: str = Field(description="What the groups are formed by.")
    totals: list[Money] = Field(description="The totals by currency, without what is not known.")
    unknown: list[Money] = Field(
        [],
        description="By currency, what runs whose cost is not known may cost in addition; each run's `cost` says why.",
    )
    groups: list[UsageGroup] = Field(description="The spending of each group.")
    storage: StorageUsage = Field(description="What its files take now, whatever the period.")


class RatedWeek(Resource):
    """The ratings that were given in one week."""

    week: str = Field(description="The Monday of the week, in UTC.", examples=["2026-01-05"])
    mean_rating: float | None = Field(
        description="The mean rating of versions decided on in that week, from 1 to 5; null: none rated."
    )
    ratings: int = Field(description="The number of rated versions.")
    mean_film_rating: float | None = Field(
        description="The mean rating of films completed in that week, from 1 to 5; null: none rated."
    )
    film_ratings: int = Field(description="The number of rated films.")


class Metrics(Resource):
    """Review metrics of videos that a person decided on; null: nothing to measure yet."""

    project_id: Id
    episode_id: Id | None = Field(description="The episode; null: the metrics of the whole project.")
    segments_reviewed: int = Field(description="The number of segments that a person decided on.")
    decisions: int = Field(description="The number of decisions by people on videos.")
    first_time_approval_rate: float | None = Field(
        description="The share of reviewed segments whose first decision was an approval; null: none reviewed yet."
    )
    regeneration_rate: float | None = Field(
        description="The share of reviewed segments that were rejected at least once; null: none reviewed yet."
    )
    mean_rating: float | None = Field(description="The mean rating of versions, from 1 to 5; null: none rated.")
    ratings: int = Field(description="The number of rated versions.")
    films: int = Field(description="The number of episodes that have a completed film.")
    seconds_to_film: float | None = Field(description="The mean seconds from an episode's first run to its first film.")
    mean_film_rating: float | None = Field(description="The mean rating of films, from 1 to 5; null: none rated.")
    film_ratings: int = Field(description="The number of rated films.")
    films_handed_over: int = Field(description="The number of films that were downloaded or exported.")
    recompilation_rate: float | None = Field(
        description=(
            "The share of handed-over films after which another film of the episode was requested and completed; "
            "null: none handed over yet."
        )
    )
    ratings_by_week: list[RatedWeek] = Field(
        description="The trend of the ratings: weeks with a rating, oldest first, at most the last 26."
    )
    videos_generated: int = Field(description="The number of runs that generated a video.")
    generation_seconds_per_5s: float | None = Field(
        description="The mean seconds of generating 5 s of video, from when a worker took the run to its preview; "
        "null: none generated yet."
    )
    met: dict[str, bool | None] = Field(
        description="Whether each target is met, or null where there is nothing to measure yet.",
        examples=[{"first_time_approval_rate": True, "generation_seconds_per_5s": None}],
    )
    targets: dict[str, float] = Field(
        description="The targets: minimums, except for regeneration_rate, seconds_to_film and "
        "generation_seconds_per_5s, which are maximums.",
        examples=[{"first_time_approval_rate": 0.8, "regeneration_rate": 0.2, "seconds_to_film": 1800}],
    )


class FeedEntry(Said):
    """A step in the history of a run, for a feed."""

    id: str = Field(description="The id of this entry.")
    run_id: Id
    episode_id: Id
    asset_id: Id
    segment_id: Id | None = Field(description="The segment; null: the asset belongs to the episode, such as music.")
    segment_number: int | None = Field(
        description="The segment's number in film order, from 1; null: the asset belongs to the episode."
    )
    batch_id: Id | None = Field(description="The batch that it belongs to; null: none.")
    kind: str = Field(description="The kind of asset.")
    label: str = Field(description="A display name, such as `Segment 1 video`.")
    state: str = Field(description="The state that the run entered.")
    step: str = Field(description="The step of the work, for programs.")
    attempt: int = Field(
        description=(
            "The number of the attempt, from 1. A failed attempt that may succeed later is followed by another one."
        )
    )
    run_status: str = Field(description="The current status of the run.")
    message: str = Field(description="A message for users, in one line.")
    thumbnail_url: Url
    at: Timestamp = Field(description="When it happened.")


class FeedEntryList(ListOf[FeedEntry]):
    """Steps of the runs of a project, newest first."""
