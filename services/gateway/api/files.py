"""Sends a file, or a part of it, without blocking the event loop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

CHUNK: Final = 256 * 1024  # large enough that the event loop is not the limit, small enough to be fair to streams


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
