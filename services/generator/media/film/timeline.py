"""Reads a film's packets, without decoding them: when frames are shown, and where copying may cut."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import av
import av.error

from services.generator.domain.film_splits import FrameTimeline, copy_points
from shared.contracts.messages import message
from shared.core.errors import Permanent, UserError
from shared.media.sandbox import open_media, packets

MAX_FRAMES = 1_000_000  # more than an hour at 240 fps


def read_timeline(path: Path, *, copyable: bool) -> FrameTimeline:
    """Blocks while it reads the whole file. Raises UserError for a truncated file."""
    stored: list[tuple[int, int, bool]] = []  # position in decoding order, pts, is a key frame
    hidden: set[int] = set()  # pts of frames that an edit list hides: they are decoded only because others need them
    try:
        with open_media(path) as container:
            stream = container.streams.video[0]
            base = stream.time_base
            last = 0
            for packet in packets(container, stream):
                if not packet.size:
                    continue
                if packet.pts is None:
                    raise _unreadable(message("problem.film_frames_untimed"))
                if len(stored) >= MAX_FRAMES:
                    raise _unreadable(message("problem.film_frames_excessive"))
                stored.append((len(stored), packet.pts, packet.is_keyframe))
                if packet.is_discard:
                    hidden.add(packet.pts)
                last = packet.duration or last
    except Permanent as error:
        raise _unreadable(error.cause) from error
    except (av.error.FFmpegError, IndexError) as error:
        raise _unreadable(message("problem.film_unsplittable", reason=str(error))) from error
    if len(hidden) == len(stored) or base is None:
        raise _unreadable(message("problem.film_without_frames"))
    by_time = sorted(stored, key=lambda packet: packet[1])
    times = [float(pts * base) for _, pts, _ in by_time if pts not in hidden]
    if any(b <= a for a, b in pairwise(times)):
        raise _unreadable(message("problem.film_frames_simultaneous"))
    length = float(last * base) or _average_duration(times)
    starts, ends = frozenset[int](), frozenset[int]()
    before = next(place for place, (_, pts, _) in enumerate(by_time) if pts not in hidden)
    if copyable and len(hidden) == before:  # hidden frames at the end would be copied as well
        place_of = {place: frame - before for frame, (place, _, _) in enumerate(by_time)}
        starts, ends = copy_points([(place_of[place], key) for place, _, key in stored], before)
    return FrameTimeline(times, times[-1] + length, starts, ends)


def _average_duration(times: list[float]) -> float:
    """Seconds per frame, for a file that does not state it; a single frame lasts 1/24 s."""
    return (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else 1 / 24


def _unreadable(cause: str) -> UserError:
    return UserError("media_unreadable", cause, message("problem.film_unsplittable.recovery"))
