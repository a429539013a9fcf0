"""When a stream's pictures are displayed, from the times of its packets: headers only describe what was intended.

A file that was cut without re-encoding contains pictures that an edit list hides, an interrupted recording declares
more than it contains, a still screen has few pictures in many seconds, and sound may continue after the last picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, NamedTuple

import av
import av.error
from av.container import InputContainer
from av.video.stream import VideoStream

from shared.contracts.frame_rates import exact_rate
from shared.media.sandbox import packets as read_packets

_DEFAULT_RATE: Final = 25.0  # for a single picture in a file without a rate, which needs some length


@dataclass(frozen=True)
class DisplayTiming:
    """Seconds count from the file's first instant, which may be that of its sound.

    `shift_s` must be subtracted from every picture's time: a file that stores pictures in another order than that of
    their display, without an edit list for it, declares all of them too late by the delay of its decoder.
    `varies`: a picture begins half a frame or more from where the stream's rate puts it, so none can be found by its
    number.
    """

    frames: int = 0
    first_s: float = 0.0
    end_s: float = 0.0
    shift_s: float = 0.0
    varies: bool = False

    @property
    def seconds(self) -> float:
        """Until the end of the last picture. The first one is displayed from the file's first instant on."""
        return self.end_s - self.shift_s


class _Packet(NamedTuple):
    pts: int
    dts: int | None
    duration: int


def display_timing(container: InputContainer, stream: VideoStream) -> DisplayTiming:
    """Reads all packets of the stream. Blocks. A truncated file is displayed as far as it goes."""
    packets: list[_Packet] = []
    with suppress(av.error.FFmpegError):
        for packet in read_packets(container, stream):
            # AVI stores no display times: its pts are a guess.
            time = packet.pts if container.format.name != "avi" else packet.dts
            if packet.size and not packet.is_discard and time is not None:
                packets.append(_Packet(time, packet.dts, packet.duration or 0))
    if not packets or stream.time_base is None:
        return DisplayTiming()
    base = float(stream.time_base)
    zero = container.start_time / av.time_base if container.start_time else 0.0  # as in ffmpeg
    first = min(packet.pts for packet in packets) * base - zero
    last = max(packets)
    lasts = last.duration * base or 1 / float(stream.average_rate or stream.guessed_rate or _DEFAULT_RATE)
    decoded = packets[0].dts
    is_delayed = decoded is not None and decoded * base <= zero and first > 0
    shift = first if is_delayed else 0.0
    return DisplayTiming(len(packets), first, last.pts * base - zero + lasts, shift, _varies(packets, stream))


def _varies(packets: Sequence[_Packet], stream: VideoStream) -> bool:
    rate = exact_rate_of(stream)
    if rate is None or stream.time_base is None:
        return False
    frame = 1 / (rate * stream.time_base)  # in ticks
    starts = sorted(packet.pts for packet in packets)
    return any(abs(start - starts[0] - n * frame) * 2 >= frame for n, start in enumerate(starts))


def exact_rate_of(stream: VideoStream) -> Fraction | None:
    """Frames per second; None where the file does not tell."""
    rate = stream.average_rate or stream.guessed_rate
    return exact_rate(rate) if rate else None
