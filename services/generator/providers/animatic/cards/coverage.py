"""Which characters a TrueType or OpenType font has, from its cmap table (OpenType specification 1.9, chapter cmap)."""

from __future__ import annotations

import struct
from typing import BinaryIO

Ranges = tuple[tuple[int, int], ...]


def covered(file: BinaryIO, face: int) -> Ranges:
    """First and last code points of each covered range. Raises ValueError if the file is not such a font."""
    start = 0
    if _read(file, 0, 4) == b"ttcf":
        (start,) = struct.unpack(">I", _read(file, 12 + 4 * face, 4))
    (tables,) = struct.unpack(">H", _read(file, start + 4, 2))
    for entry in range(tables):
        tag, _, offset, length = struct.unpack(">4sIII", _read(file, start + 12 + 16 * entry, 16))
        if tag == b"cmap":
            return _best(_read(file, offset, length))
    raise ValueError("no cmap table")


def _read(file: BinaryIO, at: int, count: int) -> bytes:
    file.seek(at)
    data = file.read(count)
    if len(data) != count:
        raise ValueError("the file ends early")
    return data


def _best(cmap: bytes) -> Ranges:
    """The largest Unicode subtable: format 12 covers all planes, format 4 only the first."""
    (count,) = struct.unpack_from(">H", cmap, 2)
    found: dict[int, int] = {}
    for record in range(count):
        platform, encoding, offset = struct.unpack_from(">HHI", cmap, 4 + 8 * record)
        if platform == 0 or (platform == 3 and encoding in (1, 10)):
            found[struct.unpack_from(">H", cmap, offset)[0]] = offset
    if 12 in found:
        return _segmented(cmap, found[12])
    if 4 in found:
        return _mapped(cmap, found[4])
    return ()


def _segmented(cmap: bytes, at: int) -> Ranges:
    (groups,) = struct.unpack_from(">I", cmap, at + 12)
    found = (struct.unpack_from(">III", cmap, at + 16 + 12 * group) for group in range(groups))
    return tuple((first, last) for first, last, _ in found)


def _mapped(cmap: bytes, at: int) -> Ranges:
    (doubled,) = struct.unpack_from(">H", cmap, at + 6)
    count = doubled // 2
    last = struct.unpack_from(f">{count}H", cmap, at + 14)
    first = struct.unpack_from(f">{count}H", cmap, at + 16 + doubled)
    return tuple((a, b) for a, b in zip(first, last, strict=True) if a <= b and a != 0xFFFF)
