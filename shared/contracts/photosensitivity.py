"""Which flashing is harmful, and the sentence that warns of it before anything plays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from shared.contracts.messages import message

FLASHES: Final = "flashes_per_second"
RED_FLASHES: Final = "red_flashes_per_second"
MOST_FLASHES: Final = 3  # in any second: ITU-R BT.1702, Ofcom


def flashes(measures: Mapping[str, float | None]) -> float:
    """The most flashes in any second, of luminance or of saturated red; 0 if they were not counted."""
    return max(measures.get(FLASHES) or 0, measures.get(RED_FLASHES) or 0)


def photosensitivity_warning(measures: Mapping[str, float | None]) -> str | None:
    """The warning of a video with these measures; None if it does not flash harmfully."""
    count = flashes(measures)
    return message("warning.flashes", count=f"{count:g}") if count > MOST_FLASHES else None


def film_photosensitivity_warning(segments: Sequence[tuple[int, float]]) -> str | None:
    """The warning of a film. `segments`: the number of each segment, and its flashes in any second."""
    harmful = {number: count for number, count in segments if count > MOST_FLASHES}
    if not harmful:
        return None
    *most, last = map(str, sorted(harmful))
    names = f"segments {', '.join(most)} and {last}" if most else f"segment {last}"
    return message("warning.film_flashes", names=names, count=f"{max(harmful.values()):g}")
