"""A look-ahead limiter for true peaks: neither samples nor the signal between them exceed the ceiling."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.compiler.planning.sound_plan import RATE
from services.compiler.rendering.audio.loudness import Samples, peaks

ATTACK: Final = RATE // 200  # 5 ms: the gain has fallen before the peak arrives
RELEASE_DB_PER_S: Final = 60.0  # recovers from a typical peak, 3 dB over, in 50 ms: no pumping, no distortion
_MOST_REDUCTION_DB: Final = 24.0

REACH: Final = round(_MOST_REDUCTION_DB / RELEASE_DB_PER_S * RATE) + 2 * ATTACK
"""Samples of context on either side that the gain of a sample may depend on."""


def limit(sound: Samples, ceiling_dbtp: float) -> Samples:
    """Limits a chunk. With `REACH` of context on both sides the samples are the same as when limiting the whole film.

    The gain falls along a smooth curve to what a peak needs, and rises again at a constant rate in decibels.
    """
    ceiling = 10 ** (ceiling_dbtp / 20)
    if np.abs(sound).max(initial=0) < ceiling / 4:  # 12 dB of headroom is more than any interpolated peak adds
        return sound
    over = peaks(sound).astype(np.float64) / ceiling
    if over.max() <= 1:
        return sound
    needed = 20 * np.log10(np.maximum(over, 1))
    needed[1:] = np.maximum(needed[1:], needed[:-1])  # a peak between two samples counts for both
    fall = RELEASE_DB_PER_S / RATE * np.arange(len(sound))
    reduction = np.maximum.accumulate(needed + fall) - fall
    gain = _smooth(10 ** (-reduction / 20))
    limited: Samples = sound * gain[:, None].astype(np.float32)
    return limited


def _smooth(gain: NDArray[np.float64]) -> NDArray[np.float64]:
    """A weighted mean, over the last ATTACK samples, of the minimum over the next ATTACK: never above `gain`."""
    least = np.pad(gain, (ATTACK, ATTACK), mode="edge")
    span, width = 1, ATTACK + 1
    while span * 2 <= width:  # minima over 1, 2, 4, ... samples
        least = np.minimum(least[:-span], least[span:])
        span *= 2
    least = np.minimum(least[: len(least) - (width - span)], least[width - span :])
    weights = np.hanning(ATTACK + 3)[1:-1]
    return np.convolve(least, weights / weights.sum(), "valid")
