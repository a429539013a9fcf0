"""Writes a film's slices by copying within the kernel, and hashes them in parallel."""

from __future__ import annotations

import errno
import hashlib
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from services.compiler.rendering.mp4.film import FilmLayout, Slice
from shared.contracts.messages import problem_text
from shared.core.errors import Permanent, Retryable

_BLOCK = 1 << 20
_MOST_OPEN = 4


class WriteStopped(Exception):
    """The caller set `stop`."""


def write_film(
    layout: FilmLayout,
    path: Path,
    *,
    stop: threading.Event | None = None,
    on_bytes: Callable[[int], None] | None = None,
) -> str:
    """Write the film to `path` and return its sha256 in hex. Blocks: call it in a thread.

    `on_bytes` gets the number of bytes written so far, from a thread. Raises WriteStopped soon after `stop` is set; the
    caller has to remove the unfinished file.
    """
    stop = stop or threading.Event()
    with ThreadPoolExecutor(1, thread_name_prefix="film-sha256") as hashing:
        digest = hashing.submit(_digest, layout, stop)
        try:
            _write(layout, path, stop, on_bytes or (lambda _: None))
        except BaseException:
            stop.set()
            raise
        return digest.result()


def _write(layout: FilmLayout, path: Path, stop: threading.Event, on_bytes: Callable[[int], None]) -> None:
    with path.open("wb", buffering=0) as film, _Sources() as sources:
        written = film.write(layout.head)
        for piece in layout.slices:
            if stop.is_set():
                raise WriteStopped
            _copy(sources[piece.path], film.fileno(), piece)
            written += piece.size
            on_bytes(written)
        os.fsync(film.fileno())  # while the checksum is still being computed: the store need not wait


def _digest(layout: FilmLayout, stop: threading.Event) -> str:
    digest = hashlib.sha256(layout.head)
    with _Sources() as sources:
        for piece in layout.slices:
            for offset in range(piece.offset, piece.offset + piece.size, _BLOCK):
                if stop.is_set():
                    raise WriteStopped
                digest.update(os.pread(sources[piece.path], min(_BLOCK, piece.offset + piece.size - offset), offset))
    return digest.hexdigest()


def _copy(source: int, film: int, piece: Slice) -> None:
    """Copies within the kernel on Linux, elsewhere through a buffer."""
    offset, left = piece.offset, piece.size
    try:
        while left:
            moved = _move(source, film, offset, left)
            if not moved:
                raise Permanent("piece_truncated", f"{piece.path.name} ends before byte {offset + left}")
            offset += moved
            left -= moved
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Retryable("disk_full", *problem_text("film_disk_full")) from error
        raise


def _move(source: int, film: int, offset: int, size: int) -> int:
    if sys.platform == "linux":
        return os.sendfile(film, source, offset, size)
    return os.write(film, os.pread(source, min(size, _BLOCK), offset))


class _Sources:
    """Keeps a few files open: a film of a hundred segments must not need a hundred descriptors."""

    def __init__(self) -> None:
        self._open: dict[Path, int] = {}

    def __enter__(self) -> _Sources:
        return self

    def __exit__(self, *exc: object) -> None:
        while self._open:
            os.close(self._open.popitem()[1])

    def __getitem__(self, path: Path) -> int:
        if path not in self._open:
            if len(self._open) >= _MOST_OPEN:
                os.close(self._open.pop(next(iter(self._open))))
            self._open[path] = os.open(path, os.O_RDONLY)
        return self._open[path]
