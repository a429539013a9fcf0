"""Media files by name, for callers with a token. Players use the signed URL in the resource instead."""

from __future__ import annotations

from pathlib import Path

from client.resources.base import Resource, path
from client.transfers import OnProgress, download
from client.transport import API


class Media(Resource):
    async def save(
        self,
        collection: str,
        object_id: str,
        target: Path,
        rendition: str = "content",
        *,
        on_progress: OnProgress | None = None,
    ) -> int:
        """Download into a file, resuming broken connections. Returns its size in bytes.

        Collections: versions, films, uploads. Renditions: content, proxy, poster, filmstrip, peaks, captions.vtt,
        captions.srt, timeline.otio.
        """
        url = API + path("media", collection, object_id, rendition)
        return await download(self._transport, url, target, on_progress=on_progress)
