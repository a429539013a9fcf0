"""Copies bytes between files in threads, and computes their checksum on the way."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import io
import os
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, TypeVar

from shared.contracts.values import ObjectRef
from shared.core.errors import Permanent, RetakeError, Retryable
from shared.objects import too_large

CHUNK: Final = 1 << 20  # bytes

T = TypeVar("T")


@dataclass(frozen=True)
class Digest:
    """`size` in bytes; `sha256` in hexadecimal."""

    size: int
    sha256: str

    def check(self, ref: ObjectRef) -> None:
        """Raises Retryable("object_corrupt") if it is not that of the reference: the next copy may be complete."""
        if self.size != ref.size:
            raise Retryable("object_corrupt", f"Object {ref.key} has {self.size} bytes instead of {ref.size}.")
        if self.sha256 != ref.sha256:
            raise Retryable("object_corrupt", f"The checksum of object {ref.key} is not that of its reference.")


class CopyCancelled(Exception):
    """The caller was cancelled while a thread copied for it."""


async def in_thread(work: Callable[[threading.Event], T]) -> T:
    """Runs `work` in a thread. If the caller is cancelled, the event is set and the caller waits for the thread to end,
    so that no file is closed or removed while it works."""
    stop = threading.Event()
    thread = asyncio.ensure_future(asyncio.to_thread(work, stop))
    try:
        return await asyncio.shield(thread)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait({thread})
        if not thread.cancelled():
            thread.exception()  # marks it as retrieved
        raise


def copy(source: io.BufferedReader, target: IO[bytes] | None, stop: threading.Event) -> Digest:
    """Copies `source` to its end; without a `target` only the digest is computed. Raises CopyCancelled."""
    hashed = hashlib.sha256()
    size = 0
    buffer = memoryview(bytearray(CHUNK))
    while count := source.readinto(buffer):
        if stop.is_set():
            raise CopyCancelled
        hashed.update(buffer[:count])
        if target is not None:
            target.write(buffer[:count])
        size += count
    return Digest(size, hashed.hexdigest())


def digest(path: Path, stop: threading.Event) -> Digest:
    with path.open("rb") as file:
        return copy(file, None, stop)


@dataclass(frozen=True)
class NewFile:
    """An unfinished file under a temporary name."""

    path: Path
    file: IO[bytes]

    def sync(self) -> None:
        """Syncs its bytes to disk."""
        self.file.flush()
        os.fsync(self.file.fileno())


@contextmanager
def new_file(directory: Path | None = None) -> Iterator[NewFile]:
    """A new file in `directory` or the directory for temporary files. Its name is removed at the end of the block."""
    number, name = tempfile.mkstemp(dir=directory, prefix="writing-")
    try:
        with os.fdopen(number, "wb") as file:
            yield NewFile(Path(name), file)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(name)


async def spool(chunks: AsyncIterator[bytes], target: IO[bytes], max_size: int | None = None) -> Digest:
    """Writes a stream to a file, a chunk at a time. Raises UserError("too_large")."""
    hashed = hashlib.sha256()
    size = pending = 0
    chunk_buffer: list[bytes] = []

    def write(_: threading.Event) -> None:
        with file_errors():
            for chunk in chunk_buffer:
                hashed.update(chunk)
                target.write(chunk)
            target.flush()
        chunk_buffer.clear()

    async for chunk in chunks:
        size += len(chunk)
        if max_size is not None and size > max_size:
            raise too_large(max_size)
        chunk_buffer.append(chunk)
        pending += len(chunk)
        if pending >= CHUNK:
            await in_thread(write)
            pending = 0
    await in_thread(write)
    return Digest(size, hashed.hexdigest())


@contextmanager
def file_errors() -> Iterator[None]:
    """Raises errors of the file system as RetakeError."""
    try:
        yield
    except RetakeError:
        raise
    except OSError as e:
        raise _translate(e) from e


def _translate(e: OSError) -> RetakeError:
    match e.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return Retryable(
                "object_store_full", f"The disk of the object store is full: {e.strerror}", "Free some disk space."
            )
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return Permanent("object_store_denied", f"The object store refuses access: {e}")
        case errno.ENOENT | errno.ENOTDIR:
            return Permanent("file_missing", str(e))
        case _:
            return Retryable("object_store_unavailable", f"The object store failed: {e}")
