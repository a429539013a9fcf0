"""Uploads of files."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from client import file_types
from client.errors import ClientError, InvalidState, ProblemError, TransferFailed, Unreachable
from client.models import PartialUpload, Upload
from client.resources.base import Resource, parse, path
from client.retry import TRANSIENT_STATUSES, RetryPolicy
from client.transfers import OnProgress, bytes_body, file_body
from client.transport import Request, json_of, new_key

UPLOAD_TIMEOUT_S = 120.0  # between two chunks of the body, not in total
COMPLETE_TIMEOUT_S = 600.0  # until the gateway has put a film of 2 GiB together and looked into it
IN_PARTS_FROM = 64 << 20  # bytes: a smaller file is sent again as a whole
RETRY = RetryPolicy(attempts=8, longest_delay_s=30)  # without a new byte in between


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
        """Upload a file, streamed. Its type, which the gateway finds out itself, is by default told by its content. A
        large file is sent in parts, and goes on after a break where it was."""
        if isinstance(content, Path) and content.stat().st_size >= IN_PARTS_FROM:
            return await self._in_parts(project_id, content, filename or content.name, on_progress, key or new_key())
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

    async def begin(self, project_id: str, filename: str, size: int, *, key: str | None = None) -> PartialUpload:
        """Begin an upload of `size` bytes in parts, which `add` sends. It is kept for 24 hours after the last part."""
        body = {"filename": filename, "size": size}
        return await self._post(PartialUpload, path("projects", project_id, "partial-uploads"), body, key=key)

    async def progress(self, partial_id: str) -> PartialUpload:
        """How much was received; what it has become, once it is complete."""
        return await self._get(PartialUpload, path("partial-uploads", partial_id))

    async def add(self, partial_id: str, offset: int, content: bytes) -> PartialUpload:
        """Send the part that begins at `offset`. Raises InvalidState if another one begins there; see `progress`."""
        request = Request(
            "PATCH",
            path("partial-uploads", partial_id),
            params={"offset": offset},
            body=bytes_body(content),
            headers={"Content-Type": "application/octet-stream", "Content-Length": str(len(content))},
            timeout_s=COMPLETE_TIMEOUT_S,
        )
        return parse(PartialUpload, json_of(await self._transport.send(request)))

    async def drop(self, partial_id: str) -> None:
        """Delete what was received of an upload that is not complete."""
        await self._delete(path("partial-uploads", partial_id))

    async def _in_parts(
        self, project_id: str, file: Path, name: str, on_progress: OnProgress | None, key: str
    ) -> Upload:
        """Whatever ends it but a broken connection drops what was received."""
        begun = await self.begin(project_id, name, file.stat().st_size, key=key)
        sending = _Sending(self, begun)
        retrying = RETRY.retrying(self._transport.timing, _is_broken, attempt_of=lambda _state: sending.failures)
        try:
            return await retrying(sending.rest_of, file, on_progress)
        except ProblemError as error:
            if error.status not in TRANSIENT_STATUSES:
                with suppress(ClientError):
                    await self.drop(begun.id)
            raise


class _Sending:
    """A file that is being sent in parts. `failures`: in a row without a new byte."""

    def __init__(self, uploads: Uploads, state: PartialUpload) -> None:
        self._uploads = uploads
        self._state = state
        self.failures = 0

    async def rest_of(self, file: Path, on_progress: OnProgress | None) -> Upload:
        """One attempt at the rest of it."""
        before = self._state.received
        try:
            if self.failures:
                self._state = await self._uploads.progress(self._state.id)
            with file.open("rb") as read:
                while self._state.upload is None:
                    await self._send_next(read)
                    if on_progress:
                        on_progress(self._state.received, self._state.size)
            return self._state.upload
        except (ProblemError, Unreachable):
            self.failures = 1 if self._state.received > before else self.failures + 1
            raise

    async def _send_next(self, read: BinaryIO) -> None:
        offset = self._state.received
        read.seek(offset)
        part = await asyncio.to_thread(read.read, self._state.part_size)
        if not part and offset < self._state.size:
            raise TransferFailed("the file has become shorter meanwhile")
        try:
            self._state = await self._uploads.add(self._state.id, offset, part)
        except InvalidState:  # an earlier attempt arrived after all
            self._state = await self._uploads.progress(self._state.id)
            if self._state.received == offset:
                raise


def _is_broken(error: BaseException) -> bool:
    match error:
        case Unreachable():
            return True
        case ProblemError(status=status):
            return status in TRANSIENT_STATUSES
        case _:
            return False
