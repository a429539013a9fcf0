"""Base classes of the models. Unknown fields of a newer gateway are kept; unknown states become `unknown`."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field


class Model(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)


class Resource(Model):
    """A resource with an id. `revision` counts edits and is sent in If-Match."""

    id: str
    created_at: datetime | None = None
    updated_at: datetime | None = None
    revision: int | None = None


class Open(StrEnum):
    """An enumeration to which a newer gateway may add members. Subclasses define UNKNOWN."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        return cls.__members__.get("UNKNOWN")


class Setting(Model):
    """An effective value and its source."""

    value: Any = None
    source: str = "default"
    confidence: float | None = None

    @property
    def source_text(self) -> str:
        """`guessed, 93 % sure`; else the source itself."""
        return self.source if self.confidence is None else f"{self.source}, {self.confidence:.0%} sure"


Settings = dict[str, Setting]


class Problem(Model):
    """The cause of a failure, and its recovery."""

    code: str = ""
    message: str | None = Field(None, description="cause and recovery in one")
    cause: str | None = None
    recovery: str | None = None
    retryable: bool = False

    @property
    def text(self) -> str:
        return self.cause or self.message or self.code


class Money(Model):
    amount: str = "0"
    currency: str = "USD"


class AssetKind(Open):
    """The kind of an asset."""

    VIDEO = "video"
    STARTING_IMAGE = "starting_image"
    IMAGE = "image"
    NARRATION = "narration"
    MUSIC = "music"
    UNKNOWN = "unknown"

    @property
    def words(self) -> str:
        return self.value.replace("_", " ")
