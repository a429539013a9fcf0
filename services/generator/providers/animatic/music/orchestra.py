"""The instruments, their loudness relative to the lead, and a cache of rendered notes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from services.generator.providers.animatic.audiofile import SAMPLE_RATE, Samples, fast_length, k_weighting
from services.generator.providers.animatic.music.drums import drum
from services.generator.providers.animatic.music.instruments import BASSES, INSTRUMENTS, PADS, Instrument


@dataclass(frozen=True)
class Seat:
    """The mix of a part: instruments by name, loudness relative to the lead in dB, share sent to the reverb."""

    instruments: dict[str, Instrument]
    loudness: float
    send: float


SEATS: dict[str, Seat] = {
    "lead": Seat(INSTRUMENTS, 0.0, 0.35),
    "figure": Seat(INSTRUMENTS, -4.0, 0.3),
    "pad": Seat(PADS, -6.5, 0.4),
    "bass": Seat(BASSES, -6.0, 0.06),
}


@dataclass(frozen=True)
class Sound:
    """A rendered note, and its perceived energy (K weighting of BS.1770)."""

    samples: Samples
    energy: float


def _weighed(samples: Samples) -> Sound:
    size = fast_length(len(samples))
    power = np.abs(np.fft.rfft(samples, size, axis=0)) ** 2
    power *= k_weighting(np.fft.rfftfreq(size, 1 / SAMPLE_RATE))[:, None] ** 2
    return Sound(samples, float(power.sum()) * 2 / size)


class Orchestra:
    """Renders and caches notes. Lengths are rounded to 1/32 s and forces to eighths, so that many notes are equal."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, str, int, int, int], Sound] = {}

    def note(self, role: str, instrument: str, pitch: int, seconds: float, force: float) -> Sound:
        key = (role, instrument, pitch, max(1, round(seconds * 32)), max(1, round(force * 8)))
        if key not in self._made:
            self._made[key] = _weighed(SEATS[role].instruments[instrument](pitch, key[3] / 32, key[4] / 8))
        return self._made[key]

    def hit(self, name: str) -> Sound:
        key = ("drum", name, 0, 0, 0)
        if key not in self._made:
            self._made[key] = _weighed(drum(name))
        return self._made[key]
