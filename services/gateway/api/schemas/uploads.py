"""Uploads."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from services.gateway.api.schemas.base import Dated, Id, Url


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
