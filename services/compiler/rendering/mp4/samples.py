"""The positions of a piece's samples in its file, read once when the piece is made and used by every film."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Self

import av
import av.error

from shared.contracts.frame_rates import Rate
from shared.core.errors import Permanent
from shared.media.sandbox import open_media
from shared.media.sandbox import packets as read_packets

AAC_FRAME: Final = 1024  # samples in one AAC packet
ADTS_HEADER: Final = 7


@dataclass(frozen=True)
class VideoIndex:
    """One conformed clip: sample i is `sizes[i]` bytes at `offsets[i]`; decoding order is display order."""

    offsets: tuple[int, ...]
    sizes: tuple[int, ...]
    keyframes: tuple[int, ...]
    extradata: bytes

    @property
    def frames(self) -> int:
        return len(self.sizes)

    def to_json(self) -> dict[str, Any]:
        """For storage. Contiguous samples, the usual case, are stored with their first offset only."""
        contiguous = all(a + n == b for (a, b), n in zip(pairwise(self.offsets), self.sizes, strict=False))
        return {
            "offsets": list(self.offsets[:1] if contiguous else self.offsets),
            "sizes": list(self.sizes),
            "keyframes": list(self.keyframes),
            "extradata": self.extradata.hex(),
        }

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Self:
        sizes, offsets = stored["sizes"], stored["offsets"]
        if len(offsets) != len(sizes):
            offsets = list(_running(offsets[0], sizes))
        return cls(tuple(offsets), tuple(sizes), tuple(stored["keyframes"]), bytes.fromhex(stored["extradata"]))


def _running(start: int, sizes: Sequence[int]) -> Iterator[int]:
    for size in sizes:
        yield start
        start += size


def read_video_index(path: Path, fps: Rate) -> VideoIndex:
    """Reads a file's index. Blocks. Raises Permanent `piece_irregular` unless every frame lasts 1/fps, in order."""
    try:
        with open_media(path) as container:
            stream = container.streams.video[0]
            packets = [p for p in read_packets(container, stream) if p.size]
            context, base = stream.codec_context, stream.time_base  # without a context: of no known codec
            extradata = (context.extradata if context else None) or b""
            codec = context.name if context else None
    except (av.error.FFmpegError, IndexError) as error:
        raise Permanent("piece_irregular", f"{path.name} cannot be read: {error}") from error
    keyframes = tuple(i for i, p in enumerate(packets) if p.is_keyframe)
    regular = base is not None and all(
        p.pts == p.dts and p.pts is not None and p.pts * base * fps == i for i, p in enumerate(packets)
    )
    if codec != "h264" or not regular or keyframes[:1] != (0,):
        raise Permanent("piece_irregular", f"{path.name} is not a regular {fps} fps H.264 clip without B-frames")
    offsets = tuple(p.pos or 0 for p in packets)
    return VideoIndex(offsets, tuple(p.size for p in packets), keyframes, extradata)


def strip_adts(data: bytes) -> tuple[bytes, tuple[int, ...]]:
    """The bare AAC packets of an ADTS stream (ISO/IEC 13818-7) and their sizes: each loses its 7-byte header."""
    packets = []
    at = 0
    while at < len(data):
        if len(data) - at < ADTS_HEADER or data[at] != 0xFF or data[at + 1] & 0xF7 != 0xF1:
            raise Permanent("sound_irregular", f"no AAC frame without CRC at byte {at} of {len(data)}")
        length = (data[at + 3] & 3) << 11 | data[at + 4] << 3 | data[at + 5] >> 5
        if not ADTS_HEADER <= length <= len(data) - at:
            raise Permanent("sound_irregular", f"an AAC frame of {length} bytes at byte {at} of {len(data)}")
        packets.append(data[at + ADTS_HEADER : at + length])
        at += length
    return b"".join(packets), tuple(map(len, packets))
