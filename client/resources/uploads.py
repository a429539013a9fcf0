"""Uploads of files."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from client import file_types
from client.models import (
    Upload,
)
from client.resources.base import Resource, parse, path
from client.transfers import OnProgress, bytes_body, file_body
from client.transport import Request, json_of, new_key

UPLOAD_TIMEOUT_S = 120.0  # between two chunks of the body, not in total


class Uploads(Resource):
    async def create(
        self,
        project_id: str,
        content: Path | bytes,
        *,
        filename: str | None = None,
        content_type: str | None = None,
        on_progress: OnProgress | None = None,
        key: str | None = None,
    ) -> Upload:
        """Upload a file, streamed. Its type, which the gateway finds out itself, is by default told by its content."""
        name = filename or (content.name if isinstance(content, Path) else None)
        found = file_types.content_type(content) if isinstance(content, Path) else file_types.content_type_of(content)
        kind = content_type or found or "application/octet-stream"
        size = content.stat().st_size if isinstance(content, Path) else len(content)
        headers = {"Content-Type": kind, "Content-Length": str(size)}
        if name:
            headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
        request = Request(
            "POST",
            path("projects", project_id, "uploads"),
            body=file_body(content, on_progress) if isinstance(content, Path) else bytes_body(content),
            headers=headers,
            key=key or new_key(),
            timeout_s=UPLOAD_TIMEOUT_S,
        )
        return parse(Upload, json_of(await self._transport.send(request)))
