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


class OutputDifference(Resource):
    """What a model was asked for and what it made, where the two are not the same."""

    field: Literal["duration", "resolution", "aspect_ratio", "fps"] = Field(description="What differs.")
    asked: str | float = Field(
        examples=[5.0], description="What the model was asked for: seconds, frames a second, width x height, 16:9."
    )
    made: str | float = Field(examples=[5.042], description="As measured, in the same form.")


class QualityEvent(Resource):
    """A part of a video that is worth a look, as measured."""

    kind: Literal["black", "frozen", "flash", "cut"] = Field(
        description="Black or unmoving pictures, more than three flashes in a second, or a cut within the shot."
    )
    start: float = Field(description="Seconds from the video's start.")
    end: float = Field(description="Seconds; a cut ends where it starts.")
    value: float | None = Field(
        description="flash: the most in any second of it; cut: how different the pictures are (0-100); else null."
    )


class Version(Dated):
    """The immutable result of a run."""

    id: Id
    project_id: Id
    episode_id: Id
    asset_id: Id
    segment_id: Id | None = Field(description="The segment; null: the asset belongs to the episode, such as music.")
    segment_number: int | None = Field(
        description="The segment's number in film order, from 1; null: the asset belongs to the episode."
    )
    run_id: Id
    kind: Kind = Field(description="The kind of asset.")
    number: int = Field(description="The number within its asset, from 1.")
    status: Literal["preview", "accepted", "rejected", "expired", "not_chosen"] = Field(
        description="The status of the version."
    )
    committed: bool = Field(description="Whether this is the version that films and all other views use.")
    gone: bool = Field(description="Whether retention has deleted the file.")
    directions: str = Field(
        description=(
            "What was requested, without the project's style: directions of a video, a prompt of an "
            "image, or the text of a narration."
        )
    )
    style: str | None = Field(
        description=(
            "The project's style at that time with the adjustments of the run. It is not part of the directions."
        )
    )
    character_prompt: str | None = Field(
        description="Text added to the descriptions of the characters for this run; null: none."
    )
    model: str | None = Field(
        description=("The slug of the model, such as `animatic/camera`; null: a file of a person.")
    )
    provider: str = Field(examples=["animatic"], description="The provider, such as animatic or replicate.")
    seed: int | None = Field(
        description=(
            "The seed that it was generated with; null: none, as with files of people and models without seeds."
        )
    )
    settings: dict[str, Setting] = Field(description="The settings that it was generated with, and the source of each.")
    starting_image_version_id: Id | None = Field(
        description="The starting image that it was generated from; null: none."
    )
    parent_version_id: Id | None = Field(description="The version that it was generated to replace; null: none.")
    url: Url
    thumbnail_url: Url
    filmstrip_url: Url
    proxy_url: Url
    peaks_url: Url = Field(
        description="The peaks of its sound, to draw a waveform: a byte for each hundredth of a second, 0 to 255; "
        "null: it has no sound."
    )
    content_type: str = Field(description="The media type, detected from the content.")
    size: int = Field(description="The size in bytes.")
    duration: float | None = Field(description="The measured duration in seconds; null: an image.")
    resolution: str | None = Field(description="The measured width x height; null: a sound.", examples=["1920x1080"])
    aspect_ratio: str | None = Field(description="The measured width to height, such as 16:9; null: a sound.")
    fps: float | None = Field(
        description="The measured frames per second, rounded: see `fps_num` and `fps_den`; null: not a video."
    )
    frames: int | None = Field(description="The number of frames; null: not a video.")
    fps_num: int | None = Field(
        examples=[24000],
        description="The exact frames per second are `fps_num` / `fps_den`: frame n, from 0, begins at "
        "n * fps_den / fps_num seconds, unless `variable_rate`. null: not a video, or not measured.",
    )
    fps_den: int | None = Field(examples=[1001], description="See `fps_num`.")
    variable_rate: bool | None = Field(
        description="Whether frames begin elsewhere than the rate says; null: not a video, or not measured."
    )
    quality_metrics: dict[str, float | None] = Field(description="Measured quality; scores are from 0 to 1.")
    quality_events: list[QualityEvent] = Field(
        description="Where it is black, frozen, flashing or cut, in the order of their starts; empty: nowhere."
    )
    unmeasured: dict[str, str] = Field(description="The reason why a metric is null, by the name of the metric.")
    differences: list[OutputDifference] = Field(
        [], description="Where it is not what the model was asked for, by a frame or more."
    )
    photosensitivity_warning: str | None = Field(
        description="To be shown before it plays: it flashes harmfully, as ITU-R BT.1702 counts flashes; null: it "
        "does not, or it was not measured."
    )
    cost: Costs = Field(description="The cost of this version.")
    info: dict[str, Any] = Field(description="Further facts from the provider, such as `animatic: true`.")
    provenance: Literal["signed", "unsigned"] | None = Field(
        description="The state of its Content Credentials; null: unknown."
    )
    unsigned_reason: str | None = Field(description="Why it has no Content Credentials; null: it has.")
    accepted_at: Timestamp | None = Field(description="When the version was accepted; null: it was not.")


class VersionList(ListOf[Version]):
    """Versions of an asset, newest first."""


class Difference(Resource):
    """A field in which versions differ, with the value of each version."""

    field: str = Field(description="The name of the field.")
    values: list[Any] = Field(description="The values in the order of the versions.")


class Comparison(Resource):
    """Several versions and their differences."""

    versions: list[Version] = Field(description="The compared versions.")
    differences: list[Difference] = Field(description="The fields in which the versions differ.")


class NewVersion(
    Body,
    json_schema_extra=shown(
        {
            "upload_id": EXAMPLE_ID,
            "directions": "My own take of this scene.",
        }
    ),
):
    """A file to register as a version: exactly one of `upload_id` and `url`."""

    upload_id: GivenId | None = Field(None, description="The id of an upload.")
    url: str | None = Field(None, max_length=2000, description="An https URL to download the file from.")
    directions: Directions | None = Field(
        None,
        description="What the file shows or says. It is kept with the version.",
    )


class PreviousVersion(Resource):
    """A summary of an earlier or rejected version of a segment's video."""

    id: Id
    run_id: Id
    number: int = Field(description="The number of the version within its asset, from 1.")
    status: str = Field(description="The status of the version.")
    url: Url
    thumbnail_url: Url
    directions: str = Field(description="What was requested, without the project's style.")
    model: str | None = Field(
        description=("The slug of the model, such as `animatic/camera`; null: a file of a person.")
    )
    duration: float | None = Field(description="The measured duration in seconds.")
    quality_score: Score
    created_at: Timestamp = Field(description="When the version was created.")
