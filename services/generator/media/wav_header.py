"""Writes the sizes that a streamed WAV lacks: who writes to a pipe cannot go back to its header.

Programs then leave 0 or the largest number that fits, and readers of such files disagree about their end.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

_UNKNOWN_FROM: Final = 0x7FFF0000  # ffmpeg and text-to-speech services write 0xFFFFFFFF, SoX 0x7FFFF000 or so
_CHUNKS: Final = 64  # before the samples; files have three or four


class _Chunk(NamedTuple):
    name: bytes
    at: int  # of its content, in bytes from the start of the file
    size: int


def complete_header(path: Path) -> bool:
    """Writes the real sizes into a WAV, RF64 or BW64 whose header leaves them open. Returns whether it did.

    Samples that break off within one frame of all channels end before it. Blocks briefly.
    """
    with path.open("r+b") as file:
        end = file.seek(0, os.SEEK_END)
        chunks = _chunks(file, end)
        data = chunks.get(b"data")
        if data is None:
            return False
        large = chunks.get(b"ds64")
        stated = data.size
        if large is not None and stated == 0xFFFFFFFF:
            stated = int.from_bytes(_read(file, large.at + 8, 8), "little")
        held = end - data.at
        is_open = stated == 0 or (stated >= _UNKNOWN_FROM and stated > held)
        if not is_open or not held:
            return False
        frame = _frame_size(file, chunks)
        held -= held % frame
        if large is not None and data.size == 0xFFFFFFFF:
            _write(file, large.at, (data.at + held - 8).to_bytes(8, "little") + held.to_bytes(8, "little"))
            _write(file, large.at + 16, (held // frame).to_bytes(8, "little"))
        elif held < 0xFFFFFFFF - data.at:
            _write(file, 4, (data.at + held - 8).to_bytes(4, "little"))
            _write(file, data.at - 4, held.to_bytes(4, "little"))
        else:
            return False
        file.truncate(data.at + held)
    return True


def _chunks(file: BinaryIO, end: int) -> dict[bytes, _Chunk]:
    """The chunks up to the samples, by name."""
    found: dict[bytes, _Chunk] = {}
    at = 12
    for _ in range(_CHUNKS):
        head = _read(file, at, 8)
        if len(head) < 8:
            break
        chunk = _Chunk(head[:4], at + 8, int.from_bytes(head[4:], "little"))
        found.setdefault(chunk.name, chunk)
        at = chunk.at + chunk.size + chunk.size % 2
        if chunk.name == b"data" or at >= end:
            break
    return found


def _frame_size(file: BinaryIO, chunks: dict[bytes, _Chunk]) -> int:
    """Bytes of one sample of all channels (nBlockAlign)."""
    described = chunks.get(b"fmt ")
    return max(1, int.from_bytes(_read(file, described.at + 12, 2), "little")) if described else 1


def _read(file: BinaryIO, at: int, count: int) -> bytes:
    file.seek(at)
    return file.read(count)


def _write(file: BinaryIO, at: int, content: bytes) -> None:
    file.seek(at)
    file.write(content)
