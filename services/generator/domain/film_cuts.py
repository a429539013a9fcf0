"""Where a film is cut into segments: a pure function of its frames and of the places where the picture changes."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

MOST_SPANS: Final = 500  # segments of an episode (api.md)
SHORTEST_S: Final = 0.5  # a flash or a glitch is no scene of its own
DEFAULT_THRESHOLD: Final = 0.1  # ffmpeg's own for its detector (10 of 100)


@dataclass(frozen=True)
class Track:
    """The video of a film, frame by frame in the order of display.

    `times` are seconds and rise; `end_s` is when the last frame ends. `starts` and `ends` are the frames before which
    the stream may begin, and break off, when it is copied: nothing after them needs anything before them, and no frame
    from after them is among the packets before them.
    """

    times: Sequence[float]
    end_s: float
    starts: frozenset[int] = frozenset()
    ends: frozenset[int] = frozenset()

    def time(self, frame: int) -> float:
        return self.times[frame] if frame < len(self.times) else self.end_s


@dataclass(frozen=True)
class Change:
    """The picture changes at `time_s`, by `score` (0 to 1, higher is more)."""

    time_s: float
    score: float


@dataclass(frozen=True)
class Span:
    """Frames `first` up to `last` (not included) become segment `number` (from 1). `copied`: without re-encoding."""

    number: int
    first: int
    last: int
    start_s: float
    duration_s: float
    copied: bool

    @property
    def frames(self) -> int:
        return self.last - self.first


@dataclass(frozen=True)
class Cutting:
    spans: tuple[Span, ...]
    left_out: int  # changes that were too many; those that were too close do not count


def cut(track: Track, changes: Iterable[Change], *, most: int = MOST_SPANS, shortest_s: float = SHORTEST_S) -> Cutting:
    """Spans that hold every frame once, in order. The strongest changes win where they are too close or too many."""
    borders = [0, len(track.times)]
    left_out = 0
    for change in sorted(changes, key=lambda c: (-c.score, c.time_s)):
        frame = _nearest(track.times, change.time_s)
        place = bisect_left(borders, frame)
        if borders[min(place, len(borders) - 1)] == frame or not _far_enough(track, borders, place, frame, shortest_s):
            continue
        if len(borders) > most:
            left_out += 1
        else:
            borders.insert(place, frame)
    spans = (_span(track, number, first, last) for number, (first, last) in enumerate(pairwise(borders), 1))
    return Cutting(tuple(spans), left_out)


def _far_enough(track: Track, borders: Sequence[int], place: int, frame: int, shortest_s: float) -> bool:
    before, after, here = track.time(borders[place - 1]), track.time(borders[place]), track.time(frame)
    return here - before >= shortest_s and after - here >= shortest_s


def _span(track: Track, number: int, first: int, last: int) -> Span:
    begins, ends = track.time(first), track.time(last)
    copied = first in track.starts and (last in track.ends or last == len(track.times))
    return Span(number, first, last, begins, ends - begins, copied)


def _nearest(times: Sequence[float], time_s: float) -> int:
    after = bisect_left(times, time_s)
    if after == 0:
        return 0
    if after == len(times):
        return after - 1
    return after if times[after] - time_s <= time_s - times[after - 1] else after - 1


def copy_points(decoded: Sequence[tuple[int, bool]], hidden: int = 0) -> tuple[frozenset[int], frozenset[int]]:
    """`starts` and `ends` of a track from its packets in the order of decoding: (frame in order of display, key).

    The packets before place k show exactly the frames before k when the highest of them is k - 1: there the stream may
    break off. If a key frame follows, and is the first to be shown, it may begin there too (a closed group).
    `hidden` frames at the beginning are decoded and not shown: they have the numbers below 0.
    """
    starts, ends = set[int](), set[int]()
    highest = -1 - hidden
    for place, (frame, is_key) in enumerate(decoded, -hidden):
        if highest == place - 1 and place >= 0:
            ends.add(place)
            if is_key and frame == place:
                starts.add(place)
        highest = max(highest, frame)
    return frozenset(starts), frozenset(ends)
