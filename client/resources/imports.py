"""Imports: episodes from documents and from films."""

from __future__ import annotations

from typing import Any

from client.models import (
    Import,
)
from client.resources.base import Resource, path


class Imports(Resource):
    async def create(
        self,
        project_id: str,
        *,
        document: dict[str, Any] | None = None,
        yaml: str | None = None,
        upload_id: str | None = None,
        title: str | None = None,
        scene_threshold: float | None = None,
        output: dict[str, Any] | None = None,
        key: str | None = None,
    ) -> Import:
        """Create an episode from a document, or from an uploaded film, which is split at its cuts.

        `output`: size and rate, instead of the document's or the film's own.
        """
        body = {
            "document": document,
            "yaml": yaml,
            "upload_id": upload_id,
            "title": title,
            "scene_threshold": scene_threshold,
            "output": output,
        }
        return await self._post(Import, path("projects", project_id, "imports"), body, key=key)

    async def get(self, import_id: str, *, wait_s: float | None = None) -> Import:
        return await self._get(Import, path("imports", import_id), wait_s=wait_s)

    async def cancel(self, import_id: str) -> Import:
        return await self._post(Import, path("imports", import_id, "cancel"))
