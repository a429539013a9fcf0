"""Moving bytes between files in threads, with their checksum taken on the way."""

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

CHUNK: Final = 1 << 20

T = TypeVar("T")


@dataclass(frozen=True)
class Digest:
    size: int
    sha256: str

    def check(self, ref: ObjectRef) -> None:
        """Raises Retryable: the copy may have been cut short, the next one may be whole."""
        if self.size != ref.size:
            raise Retryable("object_corrupt", f"object {ref.key} has {self.size} bytes, not {ref.size}")
        if self.sha256 != ref.sha256:
            raise Retryable("object_corrupt", f"object {ref.key} has not the checksum of its reference")


class Stopped(Exception):
    """The caller was cancelled while a thread worked for it."""


async def in_thread(work: Callable[[threading.Event], T]) -> T:
    """Run in a thread, which looks at the event now and then; a cancelled caller leaves only when the thread has,
    so that no file is closed or removed under it."""
    stop = threading.Event()
    thread = asyncio.ensure_future(asyncio.to_thread(work, stop))
    try:
        return await asyncio.shield(thread)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait({thread})
        if not thread.cancelled():
            thread.exception()  # looked at: nobody else will
        raise


def copy(source: io.BufferedReader, target: IO[bytes] | None, stop: threading.Event) -> Digest:
    """To the end of `source`; only hashed if there is no `target`."""
    hashed = hashlib.sha256()
    size = 0
    buffer = memoryview(bytearray(CHUNK))
    while count := source.readinto(buffer):
        if stop.is_set():
            raise Stopped
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
    """A file in the making, under a name of its own."""

    path: Path
    file: IO[bytes]

    def sync(self) -> None:
        """Its bytes are on the disk."""
        self.file.flush()
        os.fsync(self.file.fileno())


@contextmanager
def new_file(directory: Path | None = None) -> Iterator[NewFile]:
    """In `directory`, or where temporary files go; the name is gone afterwards, whatever happened."""
    number, name = tempfile.mkstemp(dir=directory, prefix="writing-")
    try:
        with os.fdopen(number, "wb") as file:
            yield NewFile(Path(name), file)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(name)


async def spool(chunks: AsyncIterator[bytes], target: IO[bytes], max_size: int | None = None) -> Digest:
    """Write a stream to a file, a portion at a time. Raises UserError("too_large")."""
    hashed = hashlib.sha256()
    size = pending = 0
    waiting: list[bytes] = []

    def write(_: threading.Event) -> None:
        with file_errors():
            for chunk in waiting:
                hashed.update(chunk)
                target.write(chunk)
            target.flush()
        waiting.clear()

    async for chunk in chunks:
        size += len(chunk)
        if max_size is not None and size > max_size:
            raise too_large(max_size)
        waiting.append(chunk)
        pending += len(chunk)
        if pending >= CHUNK:
            await in_thread(write)
            pending = 0
    await in_thread(write)
    return Digest(size, hashed.hexdigest())


@contextmanager
def file_errors() -> Iterator[None]:
    """What the file system says, in our classes."""
    try:
        yield
    except RetakeError:
        raise
    except OSError as e:
        raise _classed(e) from e


def _classed(e: OSError) -> RetakeError:
    match e.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return Retryable("object_store_full", f"no space is left for objects: {e.strerror}", "Free some space.")
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return Permanent("object_store_denied", f"the object store refuses: {e}")
        case errno.ENOENT | errno.ENOTDIR:
            return Permanent("file_missing", str(e))
        case _:
            return Retryable("object_store_unavailable", f"the object store fails: {e}")
