"""One log file per part: kept small, and followed."""

from __future__ import annotations

import codecs
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

ROTATE_BYTES: Final = 10_000_000  # a day of an idle system is well below; one old file is kept beside it


def rotate(path: Path, limit: int = ROTATE_BYTES) -> None:
    """Move a log that has grown past `limit` to `<name>.1`; a process that writes to it by append goes on."""
    try:
        if path.stat().st_size <= limit:
            return
    except FileNotFoundError:
        return
    shutil.copyfile(path, path.with_name(path.name + ".1"))
    os.truncate(path, 0)


def tail(path: Path, lines: int, read_bytes: int = 1_000_000) -> list[str]:
    """The last `lines` lines, looked for in the last `read_bytes` only; none if there is no such file."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - read_bytes))
            return file.read().decode("utf-8", "replace").splitlines()[-lines:] if lines > 0 else []
    except FileNotFoundError:
        return []


def follow(path: Path, sleep: Callable[[float], None] = time.sleep) -> Iterator[str]:
    """Text as it is appended from now on, for ever; starts over when the file is rotated, waits when it is not there."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    position = path.stat().st_size if path.exists() else 0
    while True:
        size = path.stat().st_size if path.exists() else 0
        if size < position:
            position = 0
        if size > position:
            with path.open("rb") as file:
                file.seek(position)
                chunk = file.read(size - position)
            position += len(chunk)
            yield decoder.decode(chunk)
        else:
            sleep(0.2)
