"""A look-ahead limiter on true peaks: no sample, and nothing between two samples, leaves it above the ceiling."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.compiler.planning.sound_plan import RATE
from services.compiler.rendering.audio.loudness import Samples, peaks

ATTACK: Final = RATE // 200  # 5 ms: the gain is down before the peak comes
RELEASE_DB_PER_S: Final = 60.0  # a usual peak, 3 dB over, is forgotten after 50 ms: no pumping, no distortion
_MOST_REDUCTION_DB: Final = 24.0

REACH: Final = round(_MOST_REDUCTION_DB / RELEASE_DB_PER_S * RATE) + 2 * ATTACK
"""Samples of context, on either side, on which a sample's gain can depend."""


def limit(sound: Samples, ceiling_dbtp: float) -> Samples:
    """Limiting a chunk with `REACH` of context on both sides gives the same samples as limiting the whole film.

    The gain falls along a smooth curve to what a peak needs, and rises again at a constant rate in decibels.
    """
    ceiling = 10 ** (ceiling_dbtp / 20)
    if np.abs(sound).max(initial=0) < ceiling / 4:  # 12 dB of room is more than any interpolated peak adds
        return sound
    over = peaks(sound).astype(np.float64) / ceiling
    if over.max() <= 1:
        return sound
    needed = 20 * np.log10(np.maximum(over, 1))
    needed[1:] = np.maximum(needed[1:], needed[:-1])  # a peak lies between its sample and the next: it is both's
    fall = RELEASE_DB_PER_S / RATE * np.arange(len(sound))
    held = np.maximum.accumulate(needed + fall) - fall
    gain = _smooth(10 ** (-held / 20))
    limited: Samples = sound * gain[:, None].astype(np.float32)
    return limited


def _smooth(gain: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weighted mean over the last ATTACK samples of the least gain in the next ATTACK: never above the gain."""
    least = np.pad(gain, (ATTACK, ATTACK), mode="edge")
    span, width = 1, ATTACK + 1
    while span * 2 <= width:  # minima over 1, 2, 4, ... samples
        least = np.minimum(least[:-span], least[span:])
        span *= 2
    least = np.minimum(least[: len(least) - (width - span)], least[width - span :])
    weights = np.hanning(ATTACK + 3)[1:-1]
    return np.convolve(least, weights / weights.sum(), "valid")
