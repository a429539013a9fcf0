"""File transfers: uploads streamed from disk, downloads that resume after a broken connection."""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import httpx

from client.errors import LinkExpired, ProblemError, TransferFailed
from client.retry import TRANSIENT_STATUSES, RetryPolicy
from client.transport import Body, Transport

CHUNK = 256 * 1024
RANGE_NOT_SATISFIABLE = 416
READ_TIMEOUT_S = 30.0
RENEWALS = 3  # of an expired link
RETRY = RetryPolicy(attempts=6, first_delay_s=0.5, longest_wait_s=math.inf)
"""`attempts` counts failures in a row without a new byte."""

OnProgress = Callable[[int, int | None], None]
"""Called with the bytes transferred and the total bytes (None: unknown)."""


def file_body(path: Path, on_progress: OnProgress | None = None) -> Body:
    """A request body that reads `path` from the start for each attempt."""

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


def bytes_body(data: bytes) -> Body:
    """A request body of bytes in memory."""

    async def chunks() -> AsyncIterator[bytes]:
        yield data

    return chunks


@dataclass
class _Partial:
    """The part of a file that has arrived, from which link, and of which representation (ETag)."""

    path: Path
    url: str
    failures: int = 0
    renewals: int = 0
    done: int = 0
    total: int | None = None
    etag: str | None = None

    def headers(self) -> dict[str, str]:
        headers = {"Accept": "*/*", "Accept-Encoding": "identity"}  # ranges refer to the bytes of one encoding
        if self.done:
            headers["Range"] = f"bytes={self.done}-"
            if self.etag:
                headers["If-Range"] = self.etag
        return headers

    def start(self, response: httpx.Response) -> None:
        """Note the position of a response: where we stopped for a 206, else the start of the file.

        Raises TransferFailed for a part of another file: object stores need not know If-Range.
        """
        etag = response.headers.get("ETag", "")
        etag = etag if etag and not etag.startswith("W/") else None
        if response.status_code == 206:
            if etag != self.etag:
                self.done, self.etag = 0, None
                raise TransferFailed("the file changed on the server")
            total = response.headers.get("Content-Range", "").rpartition("/")[2]
            self.total = int(total) if total.isdigit() else self.total
        else:
            self.done = 0
            length = response.headers.get("Content-Length", "")
            self.total = int(length) if length.isdigit() else None
        self.etag = etag

    @property
    def complete(self) -> bool:
        return self.total is None or self.done == self.total


def download_link(url: str) -> str:
    """The link that downloads a media file with its Content Credentials (`download` of GET /media)."""
    return f"{url}{'&' if '?' in url else '?'}download=1"


async def download(
    transport: Transport,
    url: str,
    target: Path,
    *,
    on_progress: OnProgress | None = None,
    renew_url: Callable[[], Awaitable[str]] | None = None,
) -> int:
    """Download `url` into `target`, which appears only when it is complete. Returns its size in bytes.

    A broken connection is resumed. `renew_url` provides another link when this one has expired. Whatever ends the
    download, no partial file is left behind. Raises TransferFailed after repeated failures, and ProblemError.
    """
    partial = _Partial(target.with_name(f".{target.name}.part-{os.getpid()}"), url)
    retrying = RETRY.retrying(transport.timing, _is_transient, attempt_of=lambda _state: partial.failures)
    try:
        await retrying(_receive_rest, transport, partial, on_progress, renew_url)
        os.replace(partial.path, target)
        return partial.done
    except (TransferFailed, ProblemError, httpx.TransportError) as e:
        if not _is_transient(e):
            raise
        raise TransferFailed(
            f"The download stopped at {partial.done} of {partial.total or 'an unknown number of'} bytes: "
            f"{e or type(e).__name__}.",
            "Run the command again.",
        ) from e
    finally:
        partial.path.unlink(missing_ok=True)


async def _receive_rest(
    transport: Transport,
    partial: _Partial,
    on_progress: OnProgress | None,
    renew_url: Callable[[], Awaitable[str]] | None,
) -> None:
    """One attempt at the rest of the file. Counts the failures in a row without a new byte."""
    before = partial.done
    try:
        await _receive(transport, partial, on_progress)
        if not partial.complete:
            raise TransferFailed("the connection ended early")
    except LinkExpired:
        if renew_url is None or partial.renewals == RENEWALS:
            raise
        partial.renewals += 1
        partial.url = await renew_url()
        await _receive_rest(transport, partial, on_progress, renew_url)
    except (TransferFailed, ProblemError, httpx.TransportError) as e:
        partial.failures = 1 if partial.done > before else partial.failures + 1
        if isinstance(e, ProblemError) and e.status == RANGE_NOT_SATISFIABLE:  # from the gateway or the object store
            partial.done, partial.etag = 0, None
            raise TransferFailed("the file changed on the server") from e
        raise


def _is_transient(error: BaseException) -> bool:
    match error:
        case httpx.TransportError() | TransferFailed():
            return True
        case ProblemError(status=status):
            return status in TRANSIENT_STATUSES
        case _:
            return False


async def _receive(transport: Transport, partial: _Partial, on_progress: OnProgress | None) -> None:
    url = partial.url
    own = httpx.URL(url).is_relative_url or url.startswith(transport.url + "/")
    async with transport.stream(
        url,
        headers=partial.headers(),
        read_timeout_s=READ_TIMEOUT_S,
        authorised=own and "sig=" not in url,  # a signed link needs no token, and no other host may see it
        follow_redirect=True,  # to the object store
    ) as response:
        partial.start(response)
        with partial.path.open("r+b" if partial.done else "wb") as file:
            file.seek(partial.done)
            async for chunk in response.aiter_raw():
                await asyncio.to_thread(file.write, chunk)
                partial.done += len(chunk)
                if on_progress:
                    on_progress(partial.done, partial.total)
