"""Changes single boxes of an MP4 (ISO/IEC 14496-12), to make files as careless or malicious writers do."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final

_PARENTS: Final = (b"moov", b"trak", b"mdia", b"minf", b"stbl")


def replaced(data: bytes, boxes: Mapping[bytes, bytes]) -> bytes:
    """The file with other contents in the boxes of these names, in every track; the index must follow the media."""
    out = b""
    at = 0
    while at + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        size = size or len(data) - at
        content = data[at + 8 : at + size]
        if name in _PARENTS:
            content = replaced(content, boxes)
        content = boxes.get(name, content)
        out += struct.pack(">I4s", len(content) + 8, name) + content
        at += size
    return out


def amplified(data: bytes, *, chunks: int, samples_per_chunk: int, sample_bytes: int) -> bytes:
    """The same with an index whose `chunks` all begin at the first byte of the media."""
    count = chunks * samples_per_chunk
    media = data.index(b"mdat") + 4
    return replaced(
        data,
        {
            b"stts": struct.pack(">IIII", 0, 1, count, 512),
            b"stsz": struct.pack(">III", 0, sample_bytes, count),
            b"stsc": struct.pack(">IIIII", 0, 1, 1, samples_per_chunk, 1),
            b"stco": struct.pack(">II", 0, chunks) + struct.pack(">I", media) * chunks,
            b"ctts": struct.pack(">II", 0, 0),
        },
    )
