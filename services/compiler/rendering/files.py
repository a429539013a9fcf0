"""Local files: scratch folders that are removed with their job, and objects as files.

Pieces are kept in the object store, because any replica may need a piece that another replica made. If the store is a
directory, its files are used in place, so that a machine holds each piece once and films are joined directly from them.
If it is S3, objects are downloaded into a cache of bounded size.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from shared.contracts.values import ObjectRef
from shared.core.errors import Permanent
from shared.core.ids import NewId
from shared.objects import Objects

_LOCK: Final = "lock"
_IN_USE_S: Final = 3600.0  # a cached file requested within this time may be about to be opened


class Scratch:
    """A folder per process, locked while the process lives; the next process removes what a killed one left."""

    def __init__(self, root: Path, new_id: NewId) -> None:
        self._root = root / "scratch"
        self._mine = self._root / new_id()
        self._new_id = new_id
        self._lock = -1

    async def __aenter__(self) -> Scratch:
        await asyncio.to_thread(self._open)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await asyncio.to_thread(shutil.rmtree, self._mine, True)
        os.close(self._lock)

    @asynccontextmanager
    async def folder(self) -> AsyncIterator[Path]:
        """An empty folder, which is removed after the block."""
        path = self._mine / self._new_id()
        path.mkdir(parents=True)
        try:
            yield path
        finally:
            await asyncio.shield(asyncio.to_thread(shutil.rmtree, path, True))

    def _open(self) -> None:
        self._mine.mkdir(parents=True)
        self._lock = os.open(self._mine / _LOCK, os.O_CREAT | os.O_RDWR)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        for other in self._root.iterdir():
            if other != self._mine and _is_abandoned(other):
                shutil.rmtree(other, ignore_errors=True)


def _is_abandoned(folder: Path) -> bool:
    try:
        lock = os.open(folder / _LOCK, os.O_RDWR)
    except FileNotFoundError:
        return time.time() - folder.stat().st_mtime > _IN_USE_S  # may be in the middle of its creation
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(lock)
    return True


class LocalFiles:
    """Objects of any bucket as read-only files."""

    def __init__(self, objects: Objects, cache: Path, *, limit_bytes: int) -> None:
        self._objects = objects
        self._cache = cache
        self._limit = limit_bytes
        self._fetching: dict[str, asyncio.Lock] = {}

    async def path(self, ref: ObjectRef) -> Path:
        """The object's file. Raises Permanent `object_missing` or `object_corrupt`, and Retryable when the store is
        unreachable or sent damaged bytes."""
        store = self._objects.of(ref.bucket)
        if (local := store.local_path(ref.key)) is not None:
            if not local.is_file():
                raise Permanent("object_missing", f"object {ref.key} does not exist")
            if local.stat().st_size != ref.size:
                raise Permanent("object_corrupt", f"object {ref.key} does not have the size of its reference")
            return local
        cached = self._cache / ref.sha256
        async with self._fetching.setdefault(ref.sha256, asyncio.Lock()):
            if not cached.exists():
                cached.parent.mkdir(parents=True, exist_ok=True)
                await store.fetch(ref, cached)
                await asyncio.to_thread(self._evict)
        self._fetching.pop(ref.sha256, None)
        os.utime(cached)
        return cached

    def _evict(self) -> None:
        """Removes the least recently used files until the cache fits its limit."""
        found = [(p.stat().st_mtime, p.stat().st_size, p) for p in self._cache.iterdir() if p.is_file()]
        size = sum(n for _, n, _ in found)
        for used, length, path in sorted(found):
            if size <= self._limit or time.time() - used < _IN_USE_S:
                return
            with suppress(OSError):
                path.unlink()
                size -= length
