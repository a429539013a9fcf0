"""Moving files: uploads streamed from disk, downloads that survive a broken connection."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import httpx

from client.errors import LinkExpired, ProblemError, RangeNotSatisfiable, TransferFailed
from client.transport import Body, Transport

CHUNK = 256 * 1024
READ_TIMEOUT_S = 30.0
ATTEMPTS = 6  # in a row without a byte; each byte received starts the count again

OnProgress = Callable[[int, int | None], None]
"""Called with bytes done and bytes in all (None: not known)."""


def reading(path: Path, on_progress: OnProgress | None = None) -> Body:
    """A request body that reads `path` from its start for each attempt."""

    async def chunks() -> AsyncIterator[bytes]:
        size = path.stat().st_size
        done = 0
        with path.open("rb") as file:
            while chunk := await asyncio.to_thread(file.read, CHUNK):
                yield chunk
                done += len(chunk)
                if on_progress:
                    on_progress(done, size)

    return chunks


def holding(data: bytes) -> Body:
    """A request body of bytes in memory."""

    async def chunks() -> AsyncIterator[bytes]:
        yield data

    return chunks


@dataclass
class _Partial:
    """What has arrived so far, and of which representation."""

    path: Path
    done: int = 0
    total: int | None = None
    etag: str | None = None

    def headers(self) -> dict[str, str]:
        wanted = {"Accept": "*/*", "Accept-Encoding": "identity"}  # positions in an encoding mean nothing later
        if self.done:
            wanted["Range"] = f"bytes={self.done}-"
            if self.etag:
                wanted["If-Range"] = self.etag
        return wanted

    def begins(self, response: httpx.Response) -> None:
        """Note where the answer continues: a 206 where we stopped, anything else at the start."""
        if response.status_code == 206:
            total = response.headers.get("Content-Range", "").rpartition("/")[2]
            self.total = int(total) if total.isdigit() else self.total
        else:
            self.done = 0
            length = response.headers.get("Content-Length", "")
            self.total = int(length) if length.isdigit() else None
        etag = response.headers.get("ETag", "")
        self.etag = etag if etag and not etag.startswith("W/") else None

    @property
    def complete(self) -> bool:
        return self.total is None or self.done == self.total


def as_file(url: str) -> str:
    """The link of a media item to keep, not to play: it comes signed (`download` of GET /media)."""
    return f"{url}{'&' if '?' in url else '?'}download=1"


async def download(
    transport: Transport,
    url: str,
    target: Path,
    *,
    on_progress: OnProgress | None = None,
    renew_url: Callable[[], Awaitable[str]] | None = None,
) -> int:
    """Fetch `url` into `target`, which appears only when all of it is there. Returns its size in bytes.

    A broken connection is resumed where it stopped. `renew_url` is asked for another link when this one has
    expired. Whatever ends it early, also a cancellation, leaves no partial file behind.
    """
    partial = _Partial(target.with_name(f".{target.name}.part-{os.getpid()}"))
    try:
        await _fetch(transport, url, partial, on_progress, renew_url)
        os.replace(partial.path, target)
        return partial.done
    finally:
        partial.path.unlink(missing_ok=True)


async def _fetch(
    transport: Transport,
    url: str,
    partial: _Partial,
    on_progress: OnProgress | None,
    renew_url: Callable[[], Awaitable[str]] | None,
) -> None:
    failures, renewals = 0, 0
    while True:
        before = partial.done
        try:
            await _receive(transport, url, partial, on_progress)
            if partial.complete:
                return
            cause: Exception = TransferFailed("the connection ended early")
        except LinkExpired:
            if renew_url is None or renewals == 3:
                raise
            renewals += 1
            url = await renew_url()
            continue
        except RangeNotSatisfiable:
            partial.done, partial.etag = 0, None
            cause = TransferFailed("the file changed on the way")
        except ProblemError as e:
            if e.status not in (429, 500, 502, 503, 504):
                raise
            cause = e
        except httpx.TransportError as e:
            cause = e
        failures = 1 if partial.done > before else failures + 1
        if failures >= ATTEMPTS:
            raise TransferFailed(
                f"The download stopped at {partial.done} of {partial.total or 'an unknown number of'} bytes: "
                f"{cause or type(cause).__name__}.",
                "Run the command again.",
            ) from cause
        asked_s = cause.retry_after_s if isinstance(cause, ProblemError) else None
        await transport.sleep((asked_s or 0) + 0.25 * 2**failures * (0.5 + transport.draw() / 2))


async def _receive(transport: Transport, url: str, partial: _Partial, on_progress: OnProgress | None) -> None:
    own = httpx.URL(url).is_relative_url or url.startswith(transport.url + "/")
    async with transport.stream(
        url,
        headers=partial.headers(),
        read_timeout_s=READ_TIMEOUT_S,
        authorised=own and "sig=" not in url,  # a signed link needs no token, and another host must not see it
    ) as response:
        partial.begins(response)
        with partial.path.open("r+b" if partial.done else "wb") as file:
            file.seek(partial.done)
            async for chunk in response.aiter_raw():
                await asyncio.to_thread(file.write, chunk)
                partial.done += len(chunk)
                if on_progress:
                    on_progress(partial.done, partial.total)
