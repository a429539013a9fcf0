"""When a stream's pictures are shown, by the times of its packets: headers tell of what was meant to be there.

A file that was cut without encoding holds pictures that an edit list hides, a recording that broke off promises more
than it has, a screen that stood still has few pictures in many seconds, and sound goes on after the last picture.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Final, NamedTuple

import av
import av.error
from av.container import InputContainer
from av.video.stream import VideoStream

_UNTOLD_RATE: Final = 25.0  # of a single picture in a file that names no rate: some length it must have


@dataclass(frozen=True)
class Shown:
    """Seconds count from the file's first instant, which may be that of its sound.

    `shift_s` is to be taken from every picture's time: a file that stores pictures in another order than it shows
    them in, and has no edit list to say so, tells all of them as much too late as its decoder waits.
    """

    frames: int = 0
    first_s: float = 0.0
    end_s: float = 0.0
    shift_s: float = 0.0

    @property
    def seconds(self) -> float:
        """Until the last picture ends. The first one is seen from the file's first instant on."""
        return self.end_s - self.shift_s


class _Packet(NamedTuple):
    pts: int
    dts: int | None
    duration: int


def shown(container: InputContainer, stream: VideoStream) -> Shown:
    """Reads all of the stream's packets, then winds back. Blocks. A file that breaks off is shown up to there."""
    packets: list[_Packet] = []
    with suppress(av.error.FFmpegError):
        for packet in container.demux(stream):
            # AVI stores no times of showing: what is called so is a guess.
            told = packet.pts if container.format.name != "avi" else packet.dts
            if packet.size and not packet.is_discard and told is not None:
                packets.append(_Packet(told, packet.dts, packet.duration or 0))
    container.seek(0)
    if not packets or stream.time_base is None:
        return Shown()
    base = float(stream.time_base)
    zero = container.start_time / av.time_base if container.start_time else 0.0  # ffmpeg's, too
    first = min(packet.pts for packet in packets) * base - zero
    last = max(packets)
    lasts = last.duration * base or 1 / float(stream.average_rate or stream.guessed_rate or _UNTOLD_RATE)
    decoded = packets[0].dts
    waits = decoded is not None and decoded * base <= zero and first > 0
    return Shown(len(packets), first, last.pts * base - zero + lasts, first if waits else 0.0)
