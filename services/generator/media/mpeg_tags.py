"""Removes tags from between the frames of an MP3: joined files have them there, and decoders lose the frame behind."""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import Final

# kbit/s by the header's index (ISO/IEC 11172-3 and 13818-3, 2.4.2.3): layers I, II and III, and those of the lower
# sample rates, where II and III share one row.
_RATES: Final = {
    (True, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
MOST_TAGS: Final = 1000
"""Tags that are looked at; what is behind them is kept. A joined file has one or two per part; a file of nothing but
tags, of ten bytes each, would take seconds."""
_HZ: Final = (44_100, 48_000, 32_000)
_ID3V1_BYTES: Final = 128
_APE_HEADER: Final = 32


def remove_inner_tags(path: Path) -> bool:
    """Rewrites an MP3 without the tags behind its first frame. Returns whether there were any.

    It stops at the first thing that is neither a frame nor a tag, and keeps everything from there. Blocks while it
    reads the file.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        at = kept_from = _leading_tags(data)
        kept: list[tuple[int, int]] = [(0, at)]
        while len(kept) <= MOST_TAGS and (length := _frame_length(data, at) or _tag_length(data, at)):
            if not _frame_length(data, at):
                kept.append((kept_from, at))
                kept_from = min(at + length, len(data))
            at += length
        if len(kept) == 1:
            return False
        kept.append((kept_from, len(data)))
        out = path.with_name(f"{path.name}-untagged")
        with out.open("wb") as written:
            for start, end in kept:
                written.write(memoryview(data)[start:end].tobytes())
    os.replace(out, path)
    return True


def _leading_tags(data: mmap.mmap) -> int:
    at = 0
    for _ in range(MOST_TAGS):
        if not (length := _tag_length(data, at)):
            break
        at += length
    return at


def _frame_length(data: mmap.mmap, at: int) -> int:
    """Bytes of the frame that begins here; 0 if none does. Frames of a free bit rate are not counted."""
    head = data[at : at + 4]
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return 0
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    rate, frequency = head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or layer == 4 or not 0 < rate < 15 or frequency == 3:
        return 0
    bits = _RATES[version == 3, layer][rate] * 1000
    hz = _HZ[frequency] >> {3: 0, 2: 1, 0: 2}[version]
    padding = head[2] >> 1 & 1
    if layer == 1:
        return (12 * bits // hz + padding) * 4
    return (72 if layer == 3 and version != 3 else 144) * bits // hz + padding


def _tag_length(data: mmap.mmap, at: int) -> int:
    """Bytes of the tag that begins here (ID3v2, ID3v1, APEv2); 0 if none does."""
    head = data[at : at + _APE_HEADER]
    if head.startswith(b"ID3") and len(head) > 9:
        length = 0
        for byte in head[6:10]:
            length = length << 7 | byte & 0x7F
        return length + (20 if head[5] & 0x10 else 10)
    if head.startswith(b"APETAGEX") and len(head) == _APE_HEADER:  # its size counts its footer and not its header
        return int.from_bytes(head[12:16], "little") + (_APE_HEADER if head[23] & 0x80 else 0)
    return _ID3V1_BYTES if head.startswith(b"TAG") and at + _ID3V1_BYTES <= len(data) else 0
