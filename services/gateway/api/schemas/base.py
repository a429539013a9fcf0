"""What all shapes share."""

from __future__ import annotations

import math
import re
from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)

from services.gateway.domain.json_bounds import MAX_FIELDS
from services.gateway.domain.open_objects import MAX_NAMES, size_problem
from services.gateway.domain.timestamps import rfc3339
from shared.core.ids import is_id

T = TypeVar("T", bound=BaseModel)

EXAMPLE_ID = "01980000-0000-7000-8000-000000000001"

Id = Annotated[str, Field(description="UUIDv7, opaque.", examples=[EXAMPLE_ID], json_schema_extra={"format": "uuid"})]


def _an_id(text: str) -> str:
    if not is_id(text):
        raise ValueError("is not an id: take it from the answer that shows it")
    return text


GivenId = Annotated[
    str,
    AfterValidator(_an_id),
    Field(description="UUIDv7, opaque.", examples=[EXAMPLE_ID], json_schema_extra={"format": "uuid"}),
]
"""In a request."""


def _rfc3339(value: object) -> object:
    """Stricter than pydantic, which also reads days, numbers and times without a zone."""
    if not (isinstance(value, str) and _RFC3339.fullmatch(value)):
        raise ValueError("must be a time such as 2026-01-01T00:00:00Z")
    return value


_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.IGNORECASE)
Moment = Annotated[datetime, BeforeValidator(_rfc3339)]
"""In a request: RFC 3339, with its zone."""


def _a_number(value: object) -> object:
    """Pydantic also takes "5" and true for numbers; JSON Schema and this API do not."""
    if isinstance(value, str | bool):
        raise ValueError("must be a number")
    return value


# In a request: exactly what JSON Schema calls boolean, integer (5.0 is one) and number.
Flag = Annotated[bool, Field(strict=True)]
Whole = Annotated[int, BeforeValidator(_a_number)]
Number = Annotated[float, BeforeValidator(_a_number)]
# Limits stand before the validator: pydantic then writes them as minimum and maximum.
Rating = Annotated[int, Field(ge=1, le=5), BeforeValidator(_a_number)]
Count = Annotated[int, Field(ge=0), BeforeValidator(_a_number)]
Position = Annotated[int, Field(ge=1), BeforeValidator(_a_number)]
Seconds = Annotated[float, Field(gt=0, le=600), BeforeValidator(_a_number)]
Minutes = Annotated[float, Field(gt=0, le=525_600), BeforeValidator(_a_number)]
Share = Annotated[float, Field(ge=0, le=1), BeforeValidator(_a_number)]
At = Annotated[float, Field(ge=0, le=36_000), BeforeValidator(_a_number)]
"""Seconds from the start of a version; none is longer."""
Extent = Annotated[float, Field(gt=0, le=1), BeforeValidator(_a_number)]
Decibels = Annotated[float, Field(ge=-60, le=24), BeforeValidator(_a_number)]
"""-60 dB is silence, and more than 24 dB above the recording is noise."""


Kind = Literal["video", "starting_image", "image", "narration", "music"]
"""What an asset holds."""

Score = Annotated[float | None, Field(description="From 0 to 1; null: not measured.", examples=[0.85])]
Url = Annotated[
    str | None,
    Field(
        description=(
            "A signed URL. Its `v` changes exactly when the media change: compare `v`, not the URL. "
            "null: there is no such file."
        ),
        examples=["http://localhost:8080/api/v1/media/versions/ID/content?v=2026-01-01T00:00:00.000000Z&exp=…&sig=…"],
    ),
]
Directions = Annotated[
    str,
    Field(
        max_length=4000,
        description="What the user asks for, unstyled.",
        examples=["Slowly push in on the cup while steam rises."],
    ),
]


def bounded_object(value: Any) -> Any:
    """An object with fields that the API does not name, if it is not too large. Raises ValueError."""
    if problem := size_problem(value):
        raise ValueError(problem)
    return value


OpenObject = Annotated[
    dict[str, Any], AfterValidator(bounded_object), Field(json_schema_extra={"maxProperties": MAX_NAMES})
]
"""In a request: at most 16,384 characters as JSON, and texts of at most 4,000 characters."""


Timestamp = Annotated[
    datetime,
    PlainSerializer(rfc3339, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""In a response: UTC with microseconds, so that the order of times is that of their strings."""


class Resource(BaseModel):
    """Of a response: every field is present, null when empty. Clients ignore fields that they do not know."""

    model_config = ConfigDict(extra="ignore", json_schema_serialization_defaults_required=True)


class Dated(Resource):
    created_at: Timestamp = Field(description="When the resource was created.")
    updated_at: Timestamp = Field(description="When the resource last changed. It rises with every change.")


class Revised(Resource):
    """A resource that people edit."""

    revision: int = Field(description="Rises with every edit. It is the `ETag`.")


class ListOf(Resource, Generic[T]):
    """One page of a list."""

    data: list[T] = Field(description="The items of this page.")
    next_cursor: str | None = Field(
        description="Send it as `cursor` to get the next page; null: this is the last page."
    )


class Body(BaseModel):
    """Of a request: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _storable(cls, data: Any) -> Any:
        """JSON can escape what no column holds: NUL and halves of surrogate pairs; and Python reads NaN and 1e999."""
        if _has_too_many_fields(data):
            raise ValueError(f"objects must have at most {MAX_FIELDS} fields")
        if not _is_storable(data):
            raise ValueError("texts must not contain NUL or unpaired surrogates, and numbers must be finite")
        return data

    def sent(self) -> dict[str, Any]:
        """Only the fields that were sent, as JSON values."""
        return self.model_dump(mode="json", exclude_unset=True)


def _without_default(schema: dict[str, Any]) -> None:
    schema.pop("default", None)


def absent(default: Any, **constraints: Any) -> Any:
    """A field whose default is not part of the document, such as an object next to a reference."""
    return Field(default, json_schema_extra=_without_default, **constraints)


def unsent(default: Any = "", **constraints: Any) -> Any:
    """A field that may be left out and then stays as it is; its default is never looked at."""
    return Field(default, json_schema_extra=_without_default, **constraints)


def shown(example: dict[str, Any]) -> dict[str, Any]:
    """`json_schema_extra` of a body where the examples of its fields do not make a good one together."""
    return {"examples": [example]}


class Money(Resource):
    """An amount of money."""

    amount: str = Field(description="A decimal number as a string.", examples=["0.42"])
    currency: str = Field(examples=["USD"], description="The currency code (ISO 4217).")


class Costs(Resource):
    """What a run or a version cost. What a provider may charge and has not told is null, with its `reason`."""

    estimated: Money | None = Field(
        description="The cost by the model's price; null: the model has no price, or the cost is not known."
    )
    actual: Money | None = Field(description="The cost that the provider reported; null: not known.")
    reason: str | None = Field(None, description="Why the cost is not known; null: it is.")
    at_least: Money | None = Field(None, description="If the cost is not known: the part of it that is.")
    at_most: Money | None = Field(
        None, description="If the cost is not known: what it is at most. Spend caps count this much."
    )


def _is_none(value: object) -> bool:
    return value is None


class Setting(Resource):
    """An effective setting and its source."""

    value: Any = Field(description="The effective value.")
    source: str = Field(
        description=(
            "The source of the value: override, segment, project, project.video, project.image, project.narration, "
            "project.music, existing (accepted with the committed version), guessed or default."
        ),
        examples=["project.video"],
    )
    confidence: float | None = Field(
        None,
        exclude_if=_is_none,
        description="Of a guessed value: how sure it is, from 0 to 1; null: it is not guessed.",
    )


class Said(Resource):
    """A message for users, as its code and arguments: for clients that say it in another language."""

    message_code: str | None = Field(
        None,
        examples=["run.rendering"],
        description="The code of `message` in the catalogue of messages; several are joined by `+`; null: no message.",
    )
    message_args: dict[str, Any] = Field(
        {}, examples=[{"kind": "video"}], description="What stands in the message for `{name}`, by name."
    )


class Failure(Resource):
    """What failed, why, and what to do."""

    code: str | None = Field(examples=["starting_image_missing"], description="A stable code for programs.")
    message: str = Field(description="Cause and recovery in one line.")
    cause: str | None = Field(description="The cause, for users.")
    recovery: str | None = Field(description="What you can do about it.")
    retryable: bool = Field(description="Whether repeating the same may succeed.")


class Actor(Resource):
    """The originator of a change: a user, a policy (automatic approval) or the system."""

    kind: str = Field(description="user, policy or system.")
    user_id: str | None = Field(description="The user's subject at the identity provider; null: no user.")


def _has_too_many_fields(data: Any) -> bool:
    if isinstance(data, dict):
        return len(data) > MAX_FIELDS or any(map(_has_too_many_fields, data.values()))
    return any(map(_has_too_many_fields, data)) if isinstance(data, list) else False


def _is_storable(data: Any) -> bool:
    if isinstance(data, str):
        return "\x00" not in data and (data.isascii() or not any("\ud800" <= c <= "\udfff" for c in data))
    if isinstance(data, float):
        return math.isfinite(data)
    if isinstance(data, dict):
        return all(_is_storable(k) and _is_storable(v) for k, v in data.items())
    return all(map(_is_storable, data)) if isinstance(data, list) else True
