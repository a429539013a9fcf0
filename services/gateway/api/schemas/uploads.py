"""Uploads."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from services.gateway.api.schemas.base import Dated, Id, Url


class Upload(Dated):
    """An uploaded file."""

    id: Id
    project_id: Id
    filename: str = Field(description="The file name that was sent.")
    content_type: str = Field(description="The media type, detected from the content.")
    kind: Literal["image", "video", "audio"] = Field(description="The kind of asset.")
    size: int = Field(description="The size in bytes.")
    sha256: str = Field(description="The SHA-256 of the content in hexadecimal.")
    width: int | None = Field(description="Pixels.")
    height: int | None = Field(description="Pixels.")
    duration: float | None = Field(description="Seconds.")
    url: Url
