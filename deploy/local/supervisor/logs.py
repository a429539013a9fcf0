"""The log files, one per part: rotated, read and followed."""

from __future__ import annotations

import codecs
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

ROTATE_BYTES: Final = 10_000_000  # more than a day of an idle system; one old file is kept


def rotate(path: Path, limit: int = ROTATE_BYTES) -> None:
    """Move a log that is larger than `limit` bytes to `<name>.1`; a process that appends to it keeps writing to it."""
    if size(path) <= limit:
        return
    shutil.copyfile(path, path.with_name(path.name + ".1"))
    os.truncate(path, 0)


def tail(path: Path, lines: int, end: int | None = None, read_bytes: int = 1_000_000) -> list[str]:
    """The last `lines` lines before position `end` (None: the file's end), at most those in `read_bytes` bytes; none
    if there is no such file."""
    try:
        with path.open("rb") as file:
            stop = size(path) if end is None else end
            start = max(0, stop - read_bytes)
            file.seek(start)
            return file.read(stop - start).decode("utf-8", "replace").splitlines()[-lines:] if lines > 0 else []
    except FileNotFoundError:
        return []


def follow(path: Path, position: int, sleep: Callable[[float], None] = time.sleep) -> Iterator[str]:
    """Text that is written after `position`, forever; starts over when the file is rotated, and waits for the file."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while True:
        now = size(path)
        if now < position:
            position = 0
        if now > position:
            with path.open("rb") as file:
                file.seek(position)
                chunk = file.read(now - position)
            position += len(chunk)
            yield decoder.decode(chunk)
        else:
            sleep(0.2)


def size(path: Path) -> int:
    """The size in bytes; 0 if there is no such file."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
