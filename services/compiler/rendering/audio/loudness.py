"""Loudness and true peak as ITU-R BS.1770-5 and EBU R128 define them, for 48 kHz stereo.

All filters are finite and work on a block with its surroundings, so that a film can be measured chunk by chunk, in any
order, with the same result as in one pass.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.compiler.planning.sound_plan import RATE

Samples = NDArray[np.float32]
"""Shape (n, 2)."""

HOP: Final = RATE // 10  # gating blocks of 400 ms start every 100 ms
_HOPS_PER_BLOCK: Final = 4
_ABSOLUTE_GATE: Final = -70.0
_RELATIVE_GATE: Final = -10.0
_OFFSET: Final = -0.691

# The two biquads of BS.1770-5, tables 1 and 2, at 48 kHz: (b0, b1, b2), (a1, a2).
_SHELF: Final = ((1.53512485958697, -2.69169618940638, 1.19839281085285), (-1.69065929318241, 0.73248077421585))
_HIGH_PASS: Final = ((1.0, -2.0, 1.0), (-1.99004745483398, 0.99007225036621))

MEMORY: Final = 4096
"""Samples after which the response of the weighting filters has decayed below -160 dB."""

_FFT: Final = 1 << 16

OVERSAMPLING: Final = 4
_TAPS: Final = 16  # per phase; BS.1770-5's own example has 12


@dataclass
class Energies:
    """K-weighted energy per 100 ms of the film, summed from any pieces of it in any order."""

    hops: dict[int, float] = field(default_factory=dict)

    def add(self, weighted: Samples, at: int) -> None:
        """Adds weighted samples, of which the first one is film sample `at`."""
        power = np.square(weighted, dtype=np.float64).sum(axis=1)
        first = at // HOP
        edges = np.arange(first * HOP, at + len(power), HOP) - at
        sums = np.add.reduceat(power, np.maximum(edges, 0)) if len(power) else np.zeros(0)
        for number, energy in enumerate(sums, first):
            self.hops[number] = self.hops.get(number, 0.0) + float(energy)

    def merge(self, others: Iterable[Energies]) -> None:
        for other in others:
            for number, energy in other.hops.items():
                self.hops[number] = self.hops.get(number, 0.0) + energy

    def integrated(self, samples: int) -> float | None:
        """Integrated loudness in LUFS of a film of this length; None if no block passes the absolute gate."""
        hops = np.zeros(max(samples // HOP, 1))
        for number, energy in self.hops.items():
            if number < len(hops):
                hops[number] = energy / HOP
        if len(hops) < _HOPS_PER_BLOCK:  # shorter than one block: the block is padded with silence
            hops = np.pad(hops, (0, _HOPS_PER_BLOCK - len(hops)))
        blocks = np.convolve(hops, np.full(_HOPS_PER_BLOCK, 1 / _HOPS_PER_BLOCK), "valid")
        loud = blocks[_lufs(blocks) > _ABSOLUTE_GATE]
        if not len(loud):
            return None
        gate = float(_lufs(loud.mean())) + _RELATIVE_GATE
        return float(_lufs(loud[_lufs(loud) > gate].mean()))


def weigh(sound: Samples, before: int) -> Samples:
    """`sound` K-weighted, without its first `before` samples: context, `MEMORY` long or from the film's beginning."""
    weighted = np.empty((len(sound) - before, 2), dtype=np.float32)
    for start in range(before, len(sound), _FFT - MEMORY):  # overlap-save, in blocks to bound memory
        stop = min(start + _FFT - MEMORY, len(sound))
        context = min(start, MEMORY)
        spectrum = np.fft.rfft(sound[start - context : stop], _FFT, axis=0) * _weighting()[:, None]
        weighted[start - before : stop - before] = np.fft.irfft(spectrum, _FFT, axis=0)[
            context : context + stop - start
        ]
    return weighted


def measure(sound: Samples) -> float | None:
    """Integrated loudness of a sound in LUFS."""
    energies = Energies()
    step = 20 * RATE
    for at in range(0, len(sound), step):
        before = min(at, MEMORY)
        energies.add(weigh(np.asarray(sound[at - before : at + step]), before), at)
    return energies.integrated(len(sound))


def peaks(sound: Samples) -> NDArray[np.float32]:
    """The true peak at each sample: the largest absolute value of either channel between it and the next."""
    highest: NDArray[np.float32] = np.abs(sound).max(axis=1).astype(np.float32)
    pad = np.pad(sound, ((_TAPS // 2 - 1, _TAPS // 2), (0, 0)))
    for taps in _interpolators():
        for channel in range(sound.shape[1]):
            between = np.abs(np.convolve(pad[:, channel], taps, "valid"))
            np.maximum(highest, between, out=highest)
    return highest


def decibels(amplitude: float) -> float:
    return 20 * float(np.log10(max(amplitude, 1e-10)))


def _lufs(energy: float | NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(_OFFSET + 10 * np.log10(np.maximum(energy, 1e-20)))


@cache
def _weighting() -> NDArray[np.complex64]:
    """The frequency response of both filters, from their impulse response truncated at `MEMORY`."""
    response = np.zeros(MEMORY)
    response[0] = 1
    for (b0, b1, b2), (a1, a2) in (_SHELF, _HIGH_PASS):
        x1 = x2 = y1 = y2 = 0.0
        for i, x in enumerate(response):
            y = b0 * x + b1 * x1 + b2 * x2 - a1 * y1 - a2 * y2
            x1, x2, y1, y2 = x, x1, y, y1
            response[i] = y
    return np.asarray(np.fft.rfft(response, _FFT), dtype=np.complex64)


@cache
def _interpolators() -> tuple[NDArray[np.float32], ...]:
    """A Kaiser-windowed sinc of unit gain for each quarter between two samples."""
    phases = []
    positions = np.arange(_TAPS) - (_TAPS // 2 - 1)
    for phase in range(1, OVERSAMPLING):
        distance = positions - phase / OVERSAMPLING
        window = np.i0(6.0 * np.sqrt(np.maximum(0, 1 - (distance / (_TAPS / 2)) ** 2))) / np.i0(6.0)
        taps = np.sinc(distance) * window
        phases.append((taps / taps.sum())[::-1].astype(np.float32))
    return tuple(phases)
