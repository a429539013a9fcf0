"""Folders for work in progress, below one that belongs to this process.

A killed process cannot clean up, so every start deletes the folders whose owner no longer holds their lock.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

LOCK: Final = ".lock"


class ScratchFolders:
    """Enter it before the first call of `folder`."""

    def __init__(self, root: Path, name: str) -> None:
        self._root = root
        self._mine = root / name
        self._lock: int | None = None

    async def __aenter__(self) -> ScratchFolders:
        await asyncio.to_thread(self._open)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await asyncio.to_thread(shutil.rmtree, self._mine, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)

    @asynccontextmanager
    async def folder(self, name: str) -> AsyncIterator[Path]:
        """A folder that is deleted when the block ends, or at the next start if this process is killed before."""
        path = self._mine / name
        shutil.rmtree(path, ignore_errors=True)  # left by an earlier attempt in this process
        path.mkdir(parents=True)
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def _open(self) -> None:
        self._mine.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = os.open(self._mine / LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        for other in self._root.iterdir():
            if other != self._mine and other.is_dir():
                _remove_if_abandoned(other)


def _remove_if_abandoned(folder: Path) -> None:
    """A folder without a lock file is just being created, or is not ours."""
    with suppress(OSError):
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(lock)
