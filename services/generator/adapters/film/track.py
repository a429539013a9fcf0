"""What a film's packets tell, without decoding any: when its frames are shown, and where it may be cut by copying."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import av
import av.error

from services.generator.domain.cutting import Track, copy_points
from shared.errors import UserError
from shared.untrusted import open_media

MOST_FRAMES = 1_000_000  # an hour at 240 fps, and room


def read_track(path: Path, *, copyable: bool) -> Track:
    """Blocks while it reads the whole file: call it in a thread. Raises UserError for a file that breaks off."""
    shown: list[tuple[int, int, bool]] = []  # place in the order of decoding, pts, key
    try:
        with open_media(path) as container:
            stream = container.streams.video[0]
            base = stream.time_base
            last = 0
            for packet in container.demux(stream):
                if not packet.size:
                    continue
                if packet.pts is None or len(shown) >= MOST_FRAMES:
                    raise _unreadable("its frames have no times" if packet.pts is None else "it has too many frames")
                shown.append((len(shown), packet.pts, packet.is_keyframe))
                last = packet.duration or last
    except (av.error.FFmpegError, IndexError) as error:
        raise _unreadable(str(error)) from error
    if not shown or base is None:
        raise _unreadable("it has no frames")
    by_time = sorted(shown, key=lambda packet: packet[1])
    times = [float(pts * base) for _, pts, _ in by_time]
    if any(b <= a for a, b in pairwise(times)):
        raise _unreadable("two of its frames have the same time")
    length = float(last * base) or _usual(times)
    starts, ends = frozenset[int](), frozenset[int]()
    if copyable:
        place_of = {place: frame for frame, (place, _, _) in enumerate(by_time)}
        starts, ends = copy_points([(place_of[place], key) for place, _, key in shown])
    return Track(times, times[-1] + length, starts, ends)


def _usual(times: list[float]) -> float:
    """How long a frame lasts, where the file does not say; one frame alone lasts a 24th of a second."""
    return (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else 1 / 24


def _unreadable(why: str) -> UserError:
    return UserError("media_unreadable", f"The film cannot be split: {why}.", "Upload a film that plays to its end.")
