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
    kind: Literal["image", "video", "audio"] = Field(description="The kind of media.")
    size: int = Field(description="The size in bytes.")
    sha256: str = Field(description="The SHA-256 of the content in hexadecimal.")
    width: int | None = Field(description="The width in pixels; null: a sound.")
    height: int | None = Field(description="The height in pixels; null: a sound.")
    duration: float | None = Field(description="The duration in seconds; null: an image.")
    fps: float | None = Field(description="Frames per second of a film; null: of anything else.")
    url: Url
