"""Uploaded files."""

from __future__ import annotations

from pydantic import Field

from client.models.base import Resource


class Upload(Resource):
    filename: str | None = None
    content_type: str | None = None
    kind: str | None = None
    size: int | None = Field(None, description="bytes")
    sha256: str | None = None
    width: int | None = None
    height: int | None = None
    duration: float | None = Field(None, description="seconds")
    fps: float | None = None
    url: str | None = None
