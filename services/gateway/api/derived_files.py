"""Files that are made of stored ones when they are first asked for, and kept in a folder of this process up to a limit.
What is lost with the folder is made again."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from shared.core.machine import processors

MOST_BYTES: Final = 128 << 20  # some 10,000 posters of cards

Make = Callable[[Path, Path], Awaitable[None]]
"""Writes the second path, out of what it puts beside it into the folder that is the first."""


class DerivedFiles:
    """`at_once` files are made at a time; who asks for one that is being made waits for it."""

    def __init__(self, work_dir: str, *, most_bytes: int = MOST_BYTES, at_once: int = max(2, processors())) -> None:
        self._work_dir = work_dir
        self._most_bytes = most_bytes
        self._turns = asyncio.Semaphore(at_once)
        self._kept: OrderedDict[str, int] = OrderedDict()
        """Name of the file and its bytes, the one that was used longest ago first."""
        self._making: dict[str, asyncio.Lock] = {}
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    async def get(self, name: str, make: Make) -> Path:
        """The file of that name, which always holds the same. Raises what `make` raises, OSError."""
        lock = self._making.setdefault(name, asyncio.Lock())
        try:
            async with lock:
                path = self._path(name)
                if name in self._kept and path.exists():
                    self._kept.move_to_end(name)
                    return path
                async with self._turns:
                    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
                        out = Path(folder, "out")
                        await make(Path(folder), out)
                        os.replace(out, path)
                self._keep(name, path)
                return path
        finally:
            if not lock.locked():
                self._making.pop(name, None)

    def close(self) -> None:
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def _path(self, name: str) -> Path:
        if self._folder is None or not Path(self._folder.name).exists():  # a work folder may be lost at any time
            self._folder = tempfile.TemporaryDirectory("-derived", dir=self._work_dir, ignore_cleanup_errors=True)
            self._kept.clear()
        return Path(self._folder.name, name)

    def _keep(self, name: str, path: Path) -> None:
        self._kept[name] = path.stat().st_size
        while sum(self._kept.values()) > self._most_bytes and len(self._kept) > 1:
            oldest, _ = self._kept.popitem(last=False)
            path.with_name(oldest).unlink(missing_ok=True)
