"""Plans where a film is split into segments, from its frames and its scene changes."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

MAX_SPANS: Final = 500  # the limit of segments in an episode
MIN_SPAN_S: Final = 0.5  # a flash or a glitch is not a scene
DEFAULT_THRESHOLD: Final = 0.1  # the default of ffmpeg's scdet filter (10 of 100)


@dataclass(frozen=True)
class FrameTimeline:
    """The frames of a film in display order.

    `times` are their start times in seconds, strictly increasing; `end_s` is when the last frame ends. `starts` and
    `ends` are the frames before which a copied stream may begin and end: nothing after such a point depends on
    anything before it, and no frame from after it is among the packets before it.
    """

    times: Sequence[float]
    end_s: float
    starts: frozenset[int] = frozenset()
    ends: frozenset[int] = frozenset()

    def time(self, frame: int) -> float:
        return self.times[frame] if frame < len(self.times) else self.end_s


@dataclass(frozen=True)
class SceneChange:
    """The picture changes at `time_s`, by `score` (0 to 1, higher is more)."""

    time_s: float
    score: float


@dataclass(frozen=True)
class ClipSpan:
    """Frames `first` to `last` (exclusive) become segment `number` (from 1). `copied`: without re-encoding."""

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
class SplitPlan:
    spans: tuple[ClipSpan, ...]
    left_out: int  # scene changes beyond `MAX_SPANS`; those too close to another one do not count


def plan_split(
    timeline: FrameTimeline,
    changes: Iterable[SceneChange],
    *,
    max_spans: int = MAX_SPANS,
    min_span_s: float = MIN_SPAN_S,
) -> SplitPlan:
    """Spans that contain every frame once, in order. Of changes too close together or too many, the strongest win."""
    boundaries = [0, len(timeline.times)]
    left_out = 0
    for change in sorted(changes, key=lambda c: (-c.score, c.time_s)):
        frame = _nearest(timeline.times, change.time_s)
        place = bisect_left(boundaries, frame)
        if boundaries[min(place, len(boundaries) - 1)] == frame or not _far_enough(
            timeline, boundaries, place, frame, min_span_s
        ):
            continue
        if len(boundaries) > max_spans:
            left_out += 1
        else:
            boundaries.insert(place, frame)
    spans = (_span(timeline, number, first, last) for number, (first, last) in enumerate(pairwise(boundaries), 1))
    return SplitPlan(tuple(spans), left_out)


def _far_enough(timeline: FrameTimeline, boundaries: Sequence[int], place: int, frame: int, min_span_s: float) -> bool:
    before, after, here = timeline.time(boundaries[place - 1]), timeline.time(boundaries[place]), timeline.time(frame)
    return here - before >= min_span_s and after - here >= min_span_s


def _span(timeline: FrameTimeline, number: int, first: int, last: int) -> ClipSpan:
    begins, ends = timeline.time(first), timeline.time(last)
    copied = first in timeline.starts and (last in timeline.ends or last == len(timeline.times))
    return ClipSpan(number, first, last, begins, ends - begins, copied)


def _nearest(times: Sequence[float], time_s: float) -> int:
    after = bisect_left(times, time_s)
    if after == 0:
        return 0
    if after == len(times):
        return after - 1
    return after if times[after] - time_s <= time_s - times[after - 1] else after - 1


def copy_points(decoded: Sequence[tuple[int, bool]], hidden: int = 0) -> tuple[frozenset[int], frozenset[int]]:
    """`starts` and `ends` of a timeline, from its packets in decoding order: (frame in display order, is a key frame).

    The packets before position k are exactly the frames before k if the highest of them is k - 1: there the stream may
    end. If a key frame follows that is displayed first, the stream may also begin there (a closed GOP). The `hidden`
    frames at the beginning are decoded but not displayed; their numbers are negative.
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
