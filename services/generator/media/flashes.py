"""Counts flashes as ITU-R BT.1702 and Ofcom's guidance on flashing images (Annex 1) do.

A flash is a pair of opposing changes of luminance, each of at least 20 cd/m² with its darker picture below 160 cd/m²;
or a pair of opposing changes to and from a saturated red. They are harmful at more than three in any second over at
least a quarter of the picture. Luminance is that of a display of 200 cd/m² with the gamma of BT.1886; a saturated red
has R / (R + G + B) >= 0.8 in linear light, and changes by more than 20 in 320 (R - G - B), as WCAG 2 defines it.

The picture is divided into cells. Each counts the changes of its own mean, from one extreme to the next, so that a
flash that builds up over several frames is one. This is not a certified test, and regular patterns are not looked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shared.contracts.photosensitivity import MOST_FLASHES

COLUMNS, ROWS = 64, 36
MOST_RATE: Final = 60  # frames a second; more of them are dropped before counting
AREA: Final = 0.25  # of the picture
CHANGE_CD: Final = 20.0
DARKER_BELOW_CD: Final = 160.0
PEAK_CD, GAMMA = 200.0, 2.4  # BT.1702 and BT.1886
RED_SHARE: Final = 0.8
RED_CHANGE: Final = 20.0
_LUMINANCE: Final = np.array([0.2126, 0.7152, 0.0722], np.float32)  # BT.709
_LINEAR: Final = ((np.arange(256) / 255) ** GAMMA).astype(np.float32)

Span = tuple[float, float, int]
"""From, to (seconds), and the most flashes in any second between them."""


@dataclass(frozen=True)
class Flashes:
    """The most flashes in any second, of luminance and of saturated red, and where there are more than three."""

    light: int
    red: int
    spans: tuple[Span, ...]


Values = NDArray[np.float32]
Mask = NDArray[np.bool_]


class _Changes:
    """The changes of each cell between a high and a low extreme. All arrays have one value per cell."""

    def __init__(self, cells: int, least: float) -> None:
        self._least = least
        self._rising = np.zeros(cells, bool)
        self._falling = np.zeros(cells, bool)  # neither: no change has been seen yet
        self._high = np.full(cells, -np.inf, np.float32)
        self._low = np.full(cells, np.inf, np.float32)
        self._may_fall = np.zeros(cells, bool)  # of the frame that is the high extreme

    def next(self, values: Values, darker: Values | None, red: Mask | None) -> Mask:
        """The cells that have completed a change with this frame. `darker`: the limit for the darker picture, or
        `red`: whether this frame's high value is a saturated red."""
        higher = values > self._high
        self._high = np.where(higher, values, self._high)
        if red is not None:
            self._may_fall = np.where(higher, red, self._may_fall)
        self._low = np.minimum(values, self._low)
        rises = ~self._rising & (values - self._low >= self._least)
        falls = ~self._falling & (self._high - values >= self._least)
        if darker is not None:
            rises &= self._low < darker
            falls &= values < darker
        if red is not None:
            rises &= red
            falls &= self._may_fall
        rises &= ~falls
        self._rising = (self._rising | rises) & ~falls
        self._falling = (self._falling | falls) & ~rises
        # Behind a change lies its extreme; the search for the opposite one begins here.
        self._high = np.where(rises | falls, values, self._high)
        self._low = np.where(rises | falls, values, self._low)
        if red is not None:
            self._may_fall = np.where(rises | falls, red, self._may_fall)
        done: Mask = rises | falls
        return done


class _Second:
    """How many changes each cell has made within the last second, and the most flashes over `AREA` so far. `now`: of
    the second that ends with the newest frame."""

    def __init__(self, cells: int, frames: int) -> None:
        self._recent = np.zeros((frames, cells), bool)
        self._count = np.zeros(cells, np.int32)
        self._at = 0
        self.worst = 0
        self.now = 0
        self._place = cells - max(1, round(cells * AREA))  # in ascending order: a quarter of the cells has as many

    def next(self, changed: Mask) -> None:
        self._count += changed.astype(np.int32) - self._recent[self._at]
        self._recent[self._at] = changed
        self._at = (self._at + 1) % len(self._recent)
        if changed.any() or self.now:
            self.now = int(np.partition(self._count, self._place)[self._place]) // 2
            self.worst = max(self.worst, self.now)


def count_flashes(path: Path, fps: float) -> tuple[int, int] | None:
    """The most flashes in any second, of luminance and of saturated red; None without a picture.

    `path`: pictures of COLUMNS x ROWS pixels, RGB with 8 bits, one after the other, `fps` a second.
    """
    found = find_flashes(path, fps)
    return None if found is None else (found.light, found.red)


def find_flashes(path: Path, fps: float) -> Flashes | None:
    """As `count_flashes`, with the places that have too many."""
    cells, second = COLUMNS * ROWS, max(1, round(fps))
    light, red = _Changes(cells, CHANGE_CD), _Changes(cells, RED_CHANGE)
    lights, reds = _Second(cells, second), _Second(cells, second)
    darker, seen = np.full(cells, DARKER_BELOW_CD, np.float32), False
    spans: list[Span] = []
    for number, picture in enumerate(_pictures(path, cells), 1):
        seen = True
        linear = _LINEAR[picture]
        lights.next(light.next(PEAK_CD * (linear @ _LUMINANCE), darker, None))
        total = linear.sum(axis=1)
        redness = np.maximum(0, 320 * (2 * linear[:, 0] - total))
        reds.next(red.next(redness, None, linear[:, 0] >= RED_SHARE * np.maximum(total, 1e-6)))
        if (most := max(lights.now, reds.now)) > MOST_FLASHES:
            _extend(spans, max(0.0, (number - second) / fps), number / fps, most)
    return Flashes(lights.worst, reds.worst, tuple(spans)) if seen else None


def _extend(spans: list[Span], start: float, end: float, most: int) -> None:
    """Adds a second to the spans; seconds that overlap are one span."""
    if spans and start <= spans[-1][1]:
        first, _, before = spans.pop()
        spans.append((first, end, max(before, most)))
    else:
        spans.append((start, end, most))


def _pictures(path: Path, cells: int) -> Iterator[NDArray[np.uint8]]:
    with path.open("rb") as file:
        while len(data := file.read(cells * 3)) == cells * 3:
            yield np.frombuffer(data, np.uint8).reshape(cells, 3)
