"""Parts of request bodies that the domain reads: documents, scenes, outputs, settings that only owners change.

They stay JSON objects, because the domain reports each error with its pointer and keeps what it does not know as a
warning; these models describe what it reads.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from services.gateway.api.schemas.base import Directions, bounded_object
from services.gateway.domain.open_objects import MAX_NAMES
from services.gateway.domain.outputs import FRAME_RATES, SHOWN_RATES
from shared.contracts.values import TransitionStyle


def _unchanged(value: object) -> object:
    return value


def described_by(model: Any) -> BeforeValidator:
    """The type that the OpenAPI document shows for a value that the domain validates."""
    return BeforeValidator(_unchanged, json_schema_input_type=model)


class Part(BaseModel):
    """Unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", json_schema_serialization_defaults_required=False)


class OpenPart(BaseModel):
    """Unknown fields are accepted."""

    model_config = ConfigDict(extra="allow", json_schema_serialization_defaults_required=False)


def _optional(description: str, **constraints: Any) -> Any:
    return Field(None, description=description, **constraints)


class NewOutput(Part):
    """The size, frame rate and fit of films. Fields that are left out keep their value."""

    width: int = Field(
        1920, ge=36, le=3840, multiple_of=2, description="Pixels, even. The shorter side is at most 2160."
    )
    height: int = Field(
        1080, ge=36, le=3840, multiple_of=2, description="Pixels, even. The shorter side is at most 2160."
    )
    fps: float = Field(
        24,
        description=f"Frames per second, one of {', '.join(f'{rate:g}' for rate in SHOWN_RATES)}; 12 is meant for "
        "drafts. 23.976, 29.97 and 59.94 are exact: see `frame_rate`.",
        # No enum: generators of typed languages make one that does not compile from fractions.
        json_schema_extra={"minimum": min(SHOWN_RATES), "maximum": max(SHOWN_RATES)},
    )
    frame_rate: str | None = Field(
        None,
        description="The same as an exact fraction, instead of `fps`.",
        json_schema_extra={"enum": [*map(str, FRAME_RATES), None]},
    )
    fit: Literal["crop", "pad", "blur"] = Field(
        "blur",
        description="How pictures of another shape are fitted: cropped, padded with black, or padded with a blurred "
        "copy of themselves.",
    )


class NewTransition(OpenPart):
    """The transition from a segment into the next one."""

    style: TransitionStyle | None = _optional("The kind of transition; left out: cut.")
    duration: Annotated[float, Field(ge=0, le=5)] | None = _optional("Seconds.", examples=[0.5])


class DialogueLine(OpenPart):
    """One line of dialogue."""

    character: str | None = _optional("Who speaks.", max_length=300, examples=["Ann"])
    text: str = Field(max_length=4000, description="What is said.", examples=["The day begins."])


class NewScene(OpenPart):
    """What a segment shows, as the script describes it."""

    scene_number: Annotated[int, Field(ge=-1_000_000, le=1_000_000)] | None = _optional(
        "The number of the scene in the script."
    )
    location: str | None = _optional("Where the scene is set.", max_length=4000)
    description: str | None = _optional("What is seen.", max_length=4000)
    characters: list[Annotated[str, Field(max_length=300)]] | None = _optional(
        "The names of the characters in the scene.", max_length=50
    )
    dialogue: list[DialogueLine] | None = _optional("The dialogue, in order.", max_length=200)


class SegmentDirections(OpenPart):
    """The first drafts of a segment's assets. Missing ones are taken from the scene."""

    video: Directions | None = _optional("What happens in the video.")
    starting_image: Directions | None = _optional("What the video's first frame shows.")
    narration: Directions | None = _optional("The text of the narration.")


class EpisodeDirections(OpenPart):
    """The first drafts of an episode's own assets."""

    music: Directions | None = _optional("What the music sounds like.")


class DocumentSegment(OpenPart):
    """One segment of an episode."""

    type: Literal["scene", "shot", "transition"] | None = _optional("The kind of segment; left out: scene.")
    scene_info: NewScene | None = _optional("The scene in the script.")
    duration: Annotated[float, Field(ge=0.1, le=600)] | None = _optional("Seconds.")
    scene_id: str | None = _optional("The scene's id in the tool that wrote the script.", max_length=200)
    shot_id: str | None = _optional("The shot's id in the tool that wrote the script.", max_length=200)
    style: str | None = _optional("Added to the project's style.", max_length=4000, examples=["cold morning light"])
    characters: str | None = _optional("Added to the project's text about the characters.", max_length=4000)
    directions: SegmentDirections | None = _optional("The first drafts, by kind of asset.")
    transition_after: NewTransition | None = _optional("The transition into the next segment.")


class StartingImage(OpenPart):
    """A starting image for a segment: either `upload_id` or `url`."""

    upload_id: str | None = _optional("The id of an uploaded image.", max_length=100)
    url: str | None = _optional("An https URL of an image.", max_length=2000)


class ImportedScene(NewScene):
    """What a segment shows. A line of dialogue may be plain text."""

    dialogue: list[DialogueLine | str] | None = _optional(  # type: ignore[assignment]
        "The dialogue, in order.", max_length=200
    )


class ImportedSegment(DocumentSegment):
    """One segment of an imported document."""

    scene_info: ImportedScene | None = _optional("The scene in the script.")
    directions: SegmentDirections | str | None = _optional(  # type: ignore[assignment]
        "The first drafts, by kind of asset; plain text is the video's."
    )
    starting_image: StartingImage | None = _optional("An existing starting image. It is approved on import.")
    transition_after: NewTransition | TransitionStyle | None = _optional(  # type: ignore[assignment]
        "The transition into the next segment."
    )


class ImportedDocument(OpenPart):
    """An episode as a document. Unknown fields become warnings of the import."""

    title: str | None = _optional("The title of the episode, unless the request has one.", max_length=300)
    description: str | None = _optional("What the episode is about.", max_length=4000)
    output: NewOutput | None = _optional("The size, frame rate and fit of its films.")
    directions: EpisodeDirections | None = _optional("The first draft of the music.")
    segments: list[ImportedSegment] | None = _optional("The segments, in film order.", max_length=500)


class NewReviewPolicy(Part):
    """How long previews wait for a decision."""

    deadline_minutes: Annotated[float, Field(gt=0, le=525_600)] | None = Field(
        30, description="Minutes from the preview until it expires; null: previews do not expire."
    )


class NewSpendCap(Part):
    """The greatest amount that a project may spend in a period."""

    amount: Annotated[str, Field(max_length=20)] | Annotated[float, Field(ge=0)] = Field(
        description="A decimal number.", examples=["50.00"]
    )
    currency: str = Field(
        "USD", min_length=3, max_length=3, description="The currency code (ISO 4217).", examples=["USD"]
    )
    period: Literal["month", "total"] = Field("month", description="month (a calendar month in UTC) or total.")


class SuggestedChanges(OpenPart, json_schema_extra={"maxProperties": MAX_NAMES}):
    """What the next version should change. Other fields are recorded and have no effect."""

    prompt_modifications: str | None = _optional("Appended to the directions.", max_length=4000)
    style_adjustments: str | None = _optional(
        "Appended to the style. Stays with the asset once accepted; an empty text removes it.", max_length=4000
    )
    character_prompt: str | None = _optional(
        "Appended to the text about the characters. Stays with the asset once accepted; an empty text removes it.",
        max_length=4000,
    )
    directions: str | None = _optional("Replaces the directions.", max_length=4000)
    model: str | None = _optional("The slug of a model: see GET /models.", max_length=200)
    duration: float | None = _optional("Seconds.")
    resolution: str | None = _optional("Such as 720p.", max_length=200)
    aspect_ratio: str | None = _optional("Such as 16:9.", max_length=200)
    seed: float | None = _optional("A whole number. Runs with the same seed give the same result, where the model can.")


Changes = Annotated[dict[str, Any], described_by(SuggestedChanges), AfterValidator(bounded_object)]
"""Bounded as every object with fields that the API does not name."""
Document = Annotated[dict[str, Any], described_by(ImportedDocument)]
GivenDirections = Annotated[dict[str, Any], described_by(EpisodeDirections)]
GivenOutput = Annotated[dict[str, Any], described_by(NewOutput)]
GivenReviewPolicy = Annotated[dict[str, Any], described_by(NewReviewPolicy)]
GivenSegment = Annotated[dict[str, Any], described_by(DocumentSegment)]
GivenSpendCap = Annotated[dict[str, Any], described_by(NewSpendCap)]
GivenTransition = Annotated[dict[str, Any], described_by(NewTransition)]
Scene = Annotated[dict[str, Any], described_by(NewScene)]
