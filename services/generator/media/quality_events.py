"""Where a video is black, frozen, flashing or cut: from what the filters of the decoding pass logged."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from services.generator.media.flashes import Span
from shared.contracts.values import QualityEvent

MOST: Final = 100
"""Of each kind: the first ones of a video that has more."""
_BLACK: Final = re.compile(r"black_start:\s*(-?[\d.]+)\s+black_end:\s*(-?[\d.]+)")
_FREEZE: Final = re.compile(r"lavfi\.freezedetect\.freeze_(start|end):\s*(-?[\d.]+)")
_CUT: Final = re.compile(r"lavfi\.scd\.score:\s*([\d.]+),\s*lavfi\.scd\.time:\s*(-?[\d.]+)")


def quality_events(log: str, flashes: Sequence[Span], duration_s: float) -> list[QualityEvent]:
    """`log`: of the filters blackdetect, freezedetect and scdet. In the order of their starts."""
    black = [QualityEvent(kind="black", start=float(a), end=float(b)) for a, b in _BLACK.findall(log)]
    frozen = [QualityEvent(kind="frozen", start=a, end=b) for a, b in _frozen(log, duration_s)]
    flashing = [QualityEvent(kind="flash", start=a, end=b, value=n) for a, b, n in flashes]
    cuts = [QualityEvent(kind="cut", start=float(t), end=float(t), value=float(s)) for s, t in _CUT.findall(log)]
    found = [_within(e, duration_s) for events in (black, frozen, flashing, cuts) for e in events[:MOST]]
    return sorted(found, key=lambda e: (e.start, e.kind))


def _frozen(log: str, duration_s: float) -> Iterator[tuple[float, float]]:
    """The filter reports no end for a freeze that lasts until the end."""
    start: float | None = None
    for name, seconds in _FREEZE.findall(log):
        if name == "start":
            start = float(seconds)
        elif start is not None:
            yield start, float(seconds)
            start = None
    if start is not None:
        yield start, duration_s


def _within(event: QualityEvent, duration_s: float) -> QualityEvent:
    start = round(min(max(0.0, event.start), duration_s), 3)
    return event.model_copy(update={"start": start, "end": round(min(max(start, event.end), duration_s), 3)})
