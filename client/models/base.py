"""What all models share: fields that a newer gateway adds are kept unread, states it adds become `unknown`."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field


class Model(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)


class Resource(Model):
    """Something with an id. `revision` counts human edits and goes into If-Match."""

    id: str
    created_at: datetime | None = None
    updated_at: datetime | None = None
    revision: int | None = None


class Open(StrEnum):
    """A set of states that is closed here but may grow at the gateway. Subclasses define UNKNOWN."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        return cls.__members__.get("UNKNOWN")


class Setting(Model):
    """An effective value and where it came from."""

    value: Any = None
    source: str = "default"


Settings = dict[str, Setting]


class Problem(Model):
    """Why a run failed, and what to do."""

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
    """What an asset is."""

    VIDEO = "video"
    STARTING_IMAGE = "starting_image"
    IMAGE = "image"
    NARRATION = "narration"
    MUSIC = "music"
    UNKNOWN = "unknown"

    @property
    def words(self) -> str:
        return self.value.replace("_", " ")
