"""The frame rates of films, exact: whole numbers, and those of NTSC, which decimal numbers only approach."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import Final

Rate = Fraction | int
"""Frames per second."""

NTSC: Final = tuple(Fraction(nominal * 1000, 1001) for nominal in (24, 30, 60))
"""23.976, 29.97 and 59.94 frames per second."""
_WRITTEN: Final = re.compile(r"\d{1,6}(\.\d{1,6}|/\d{1,6})?", re.ASCII)
NEAR: Final = Fraction(1, 200)  # how far a written number may be from the NTSC rate that it means: 23.98


def exact_rate(written: str | float | Fraction) -> Fraction:
    """The rate that is meant: `24000/1001`, 23.976 and 23.98 are one. Raises ValueError for what is no number."""
    try:
        if isinstance(written, str) and not _WRITTEN.fullmatch(written):
            raise ValueError(f"{written!r} is not a frame rate")
        rate = Fraction(written)
    except (ZeroDivisionError, OverflowError, TypeError) as error:
        raise ValueError(f"{written!r} is not a frame rate") from error
    return next((ntsc for ntsc in NTSC if abs(ntsc - rate) < NEAR), rate)


def nominal_rate(rate: Rate) -> int:
    """The whole number of frames that a second is said to have: 24 for 23.976."""
    return math.ceil(rate)


def rate_number(rate: Rate) -> float:
    """The rate as people write it: 24, 23.976."""
    return round(float(rate), 3)


def timescale(rate: Rate) -> int:
    """Ticks per second at which every frame lasts a whole number of ticks, 1000 or (NTSC) 1001."""
    return nominal_rate(rate) * 1000


def frame_ticks(rate: Rate) -> int:
    """How long a frame lasts at `timescale`."""
    return int(timescale(rate) / Fraction(rate))
