"""Stored files on this machine: where they are read, and how they are sent without blocking the event loop."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from shared.contracts.values import ObjectRef
from shared.objects import ObjectStore

CHUNK: Final = 256 * 1024  # large enough that the event loop is not the limit, small enough to be fair to streams


@asynccontextmanager
async def on_disk(ref: ObjectRef, store: ObjectStore, work_dir: str | Path) -> AsyncIterator[Path]:
    """The stored file itself where it lies on this machine, whether it exists or not, else a copy of it in a folder of
    `work_dir`. Raises Permanent("object_missing") and Retryable."""
    if (path := store.local_path(ref.key)) is not None:
        yield path
        return
    with tempfile.TemporaryDirectory(dir=work_dir) as folder:
        copy = Path(folder, Path(ref.key).name)
        await store.fetch(ref, copy)
        yield copy


async def read_file(path: Path, start: int, length: int) -> AsyncIterator[bytes]:
    """`length` bytes from `start`; raises FileNotFoundError before the first chunk."""
    fd = await asyncio.to_thread(os.open, path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    try:
        position, end = start, start + length
        while position < end:
            data = await _read(fd, min(CHUNK, end - position), position)
            if not data:
                return
            yield data
            position += len(data)
    finally:
        os.close(fd)


async def _read(fd: int, size: int, offset: int) -> bytes:
    """At once if the kernel has it in memory (Linux can tell), else in a thread, as a disk may take its time."""
    if _NO_WAIT:
        buffer = bytearray(size)
        try:
            if (n := os.preadv(fd, [buffer], offset, _NO_WAIT)) > 0:
                return bytes(buffer) if n == size else bytes(buffer[:n])
        except OSError:  # not in memory, or a file system that cannot tell
            pass
    return await asyncio.to_thread(os.pread, fd, size, offset)


_NO_WAIT: Final = getattr(os, "RWF_NOWAIT", 0) if hasattr(os, "preadv") else 0
