"""Finds where a piece of music can begin again under its own ending, so that the beat continues.

Music that resembles itself after L samples also does after 2 L. L is searched for around half of the piece, where one
half can be compared with the other, and the repetition begins at 2 L, shortly before the piece ends.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.compiler.planning.sound_plan import RATE
from services.compiler.rendering.audio.loudness import Samples

HOP: Final = RATE // 200  # 5 ms: two beats less than 10 ms apart are heard as one
LEAST_OVERLAP: Final = 3 * RATE // 4
MOST_OVERLAP: Final = 4 * RATE  # a bar of slow music
SHORTEST: Final = 6 * RATE
LONGEST: Final = 600 * RATE  # longer music is not needed twice in a film
SIMILAR: Final = 0.3  # correlation of onsets: noise and free rhythm lie below, a beat above


def repeats_after(sound: Samples) -> int | None:
    """Samples until the repetition may begin; None for music without a beat."""
    if not SHORTEST <= len(sound) <= LONGEST:
        return None
    onsets = _onsets(sound)
    lags = range((len(sound) - MOST_OVERLAP) // 2 // HOP + 1, (len(sound) - LEAST_OVERLAP) // 2 // HOP)
    likeness = [_likeness(onsets[:-lag], onsets[lag:]) for lag in lags]
    best = int(np.argmax(likeness))
    return 2 * lags[best] * HOP if likeness[best] >= SIMILAR else None


def _onsets(sound: Samples) -> NDArray[np.float64]:
    """How much louder each hop is than the previous one, in decibels, with a floor 50 dB below the loudest."""
    hops = len(sound) // HOP
    power = np.empty(hops)
    for at in range(0, hops, 2000):  # 10 s, to bound memory
        part = np.asarray(sound[at * HOP : min(at + 2000, hops) * HOP], dtype=np.float64)
        power[at : at + len(part) // HOP] = np.square(part).reshape(-1, HOP * part.shape[1]).mean(axis=1)
    level = 10 * np.log10(np.maximum(power, power.max() * 1e-5 + 1e-20))
    onsets: NDArray[np.float64] = np.maximum(np.diff(level, prepend=level[0]), 0)
    return onsets


def _likeness(left: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    left, right = left - left.mean(), right - right.mean()
    both = float(np.sqrt((left @ left) * (right @ right)))
    return float(left @ right) / both if both else 0.0
