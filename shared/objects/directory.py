"""The object store in a directory: DIR/<bucket>/<key>. An object appears complete and synced to disk, or not at all."""

from __future__ import annotations

import asyncio
import errno
import io
import os
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from shared.contracts.topics import Service
from shared.contracts.values import ObjectRef
from shared.objects import Objects, StoredObject, checked_key, checked_prefix, exists, foreign, missing
from shared.objects.streams import (
    CHUNK,
    Digest,
    NewFile,
    copy,
    digest,
    file_errors,
    in_thread,
    new_file,
    spool,
)

INCOMING: Final = ".incoming"  # unfinished files; no key starts with a dot
ABANDONED_S: Final = 3600.0  # an unfinished file that was not written to for this long was left by a crash
LIST_BATCH: Final = 500
MODE: Final = 0o444  # an object is never written again

_NO_LINKS: Final = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EMLINK, errno.EXDEV}
_ABSENT: Final = (FileNotFoundError, NotADirectoryError, IsADirectoryError)


async def open_directory(root: Path, owner: Service) -> Objects:
    """Creates the owner's bucket and removes unfinished files that a crash left in it."""

    def prepare(_: threading.Event) -> None:
        incoming = root / owner.value / INCOMING
        incoming.mkdir(parents=True, exist_ok=True)
        for unfinished in incoming.iterdir():
            with suppress(OSError):
                if time.time() - unfinished.stat().st_mtime > ABANDONED_S:
                    unfinished.unlink()

    with file_errors():
        await in_thread(prepare)
    buckets = {service: DirectoryStore(root, service, writable=service is owner) for service in Service}
    return Objects(buckets[owner], buckets.__getitem__)


class DirectoryStore:
    """An `ObjectStore` in `root/<bucket>`."""

    def __init__(self, root: Path, bucket: Service, *, writable: bool) -> None:
        self._bucket = bucket
        self._dir = root / bucket.value
        self._writable = writable

    async def put_file(
        self, key: str, path: Path, content_type: str, *, move: bool = False, sha256: str | None = None
    ) -> ObjectRef:
        self._check_writable()
        final = self._path(key)

        def store(stop: threading.Event) -> Digest:
            if move and (moved := self._move_in(path, final, sha256, stop)):
                return moved
            with self._incoming() as new, path.open("rb") as source:
                found = copy(source, new.file, stop)
                self._publish(new, final, found, stop)
            if move:
                path.unlink(missing_ok=True)
            return found

        with file_errors():
            found = await in_thread(store)
        return self._ref(key, found, content_type)

    async def put_bytes(self, key: str, data: bytes, content_type: str) -> ObjectRef:
        async def whole() -> AsyncIterator[bytes]:
            yield data

        return await self.put_stream(key, whole(), content_type, max_size=len(data))

    async def put_stream(
        self, key: str, chunks: AsyncIterator[bytes], content_type: str, *, max_size: int
    ) -> ObjectRef:
        self._check_writable()
        final = self._path(key)
        with self._incoming() as new:
            found = await spool(chunks, new.file, max_size)
            with file_errors():
                await in_thread(partial(self._publish, new, final, found))
        return self._ref(key, found, content_type)

    async def fetch(self, ref: ObjectRef, path: Path) -> None:
        source_path = self._path(ref.key)

        def copy_out(stop: threading.Event) -> None:
            with self._opened(source_path, ref.key) as source, new_file(path.parent) as new:
                copy(source, new.file, stop).check(ref)
                new.file.flush()
                os.replace(new.path, path)

        with file_errors():
            await in_thread(copy_out)

    async def read(self, key: str, start: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        path = self._path(key)
        with file_errors(), self._opened(path, key) as file:
            await asyncio.to_thread(file.seek, start)
            remaining = length
            while remaining is None or remaining > 0:
                size = CHUNK if remaining is None else min(CHUNK, remaining)
                chunk = await asyncio.to_thread(file.read, size)
                if not chunk:
                    return
                if remaining is not None:
                    remaining -= len(chunk)
                yield chunk

    async def stat(self, key: str) -> StoredObject | None:
        path = self._path(key)
        with file_errors():
            return await asyncio.to_thread(_stat, path, key)

    async def delete(self, *keys: str) -> None:
        self._check_writable()
        paths = [self._path(key) for key in keys]

        def remove() -> None:
            for path in paths:
                with suppress(*_ABSENT):
                    path.unlink()
                self._prune(path.parent)

        with file_errors():
            await asyncio.to_thread(remove)

    async def list(self, prefix: str = "") -> AsyncIterator[StoredObject]:
        found = self._walk(checked_prefix(prefix))
        with file_errors():
            while batch := await asyncio.to_thread(_take, found, LIST_BATCH):
                for item in batch:
                    yield item

    def local_path(self, key: str) -> Path | None:
        return self._path(key)

    async def presign(
        self, key: str, *, ttl_s: int, filename: str | None = None, content_type: str | None = None
    ) -> str | None:
        checked_key(key)
        return None

    def _path(self, key: str) -> Path:
        return self._dir / checked_key(key)

    def _ref(self, key: str, found: Digest, content_type: str) -> ObjectRef:
        return ObjectRef(
            bucket=self._bucket.value, key=key, size=found.size, sha256=found.sha256, content_type=content_type
        )

    def _check_writable(self) -> None:
        if not self._writable:
            raise foreign(self._bucket)

    @contextmanager
    def _opened(self, path: Path, key: str) -> Iterator[io.BufferedReader]:
        try:
            file = path.open("rb")
        except _ABSENT as e:
            raise missing(key) from e
        with file:
            yield file

    @contextmanager
    def _incoming(self) -> Iterator[NewFile]:
        """A new file on the store's own file system."""
        incoming = self._dir / INCOMING
        with ExitStack() as stack:
            with file_errors():
                incoming.mkdir(parents=True, exist_ok=True)
                new = stack.enter_context(new_file(incoming))
            yield new

    def _publish(self, new: NewFile, final: Path, found: Digest, stop: threading.Event) -> None:
        """Syncs the bytes to disk before the file gets its name."""
        new.sync()
        new.path.chmod(MODE)
        self._name(new.path, final, found, stop)

    def _move_in(self, path: Path, final: Path, sha256: str | None, stop: threading.Event) -> Digest | None:
        """Moves the file without copying it. Returns None, having done nothing, if it is on another file system."""
        if path.stat().st_dev != self._dir.stat().st_dev:
            return None
        with path.open("rb") as file:
            found = Digest(os.fstat(file.fileno()).st_size, sha256) if sha256 else copy(file, None, stop)
            os.fsync(file.fileno())
        os.utime(path)  # `modified` is when the object was stored
        path.chmod(MODE)
        self._name(path, final, found, stop)
        path.unlink(missing_ok=True)
        return found

    def _name(self, path: Path, final: Path, found: Digest, stop: threading.Event) -> None:
        """Gives a finished file its name, unless the key exists already."""
        try:
            self._link(path, final)
        except FileExistsError:
            if digest(final, stop) != found:
                raise exists(final.relative_to(self._dir).as_posix()) from None

    def _link(self, path: Path, final: Path) -> None:
        while True:
            try:
                self._make_parents(final.parent)
                os.link(path, final)
                break
            except FileNotFoundError:
                if not path.exists():
                    raise
                continue  # a deletion removed the empty directory between two of these calls
            except OSError as e:
                if e.errno not in _NO_LINKS:
                    raise
            if final.exists():  # no hard links: check and rename is not atomic, but keys contain new ids
                raise FileExistsError(final)
            os.rename(path, final)
            break
        _sync_directory(final.parent)

    def _make_parents(self, parent: Path) -> None:
        """Creates the directories and syncs each one's entry in its parent to disk."""
        if parent.is_dir():
            return
        self._make_parents(parent.parent)
        parent.mkdir(exist_ok=True)
        _sync_directory(parent.parent)

    def _prune(self, parent: Path) -> None:
        """Removes directories that became empty."""
        with suppress(OSError):
            while parent != self._dir:
                parent.rmdir()
                parent = parent.parent

    def _walk(self, prefix: str) -> Iterator[StoredObject]:
        top = self._dir / prefix if prefix.endswith("/") else (self._dir / prefix).parent if prefix else self._dir
        for directory, below, names in os.walk(top):
            below[:] = sorted(name for name in below if not name.startswith("."))
            for name in sorted(names):
                path = Path(directory, name)
                key = path.relative_to(self._dir).as_posix()
                if key.startswith(prefix) and not name.startswith(".") and (found := _stat(path, key)):
                    yield found


def _stat(path: Path, key: str) -> StoredObject | None:
    try:
        found = path.stat()
    except _ABSENT:
        return None
    if not path.is_file():
        return None
    return StoredObject(key, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))


def _take(items: Iterator[StoredObject], count: int) -> list[StoredObject]:
    return [item for _, item in zip(range(count), items, strict=False)]


def _sync_directory(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
