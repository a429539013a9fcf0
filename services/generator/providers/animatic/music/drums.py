"""Drum sounds: one stereo stroke each, at full force. A drum is a sine of falling pitch, filtered noise, or both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from services.generator.providers.animatic.audiofile import SAMPLE_RATE, Samples
from services.generator.providers.animatic.music.synthesis import Mono, edges, gained, seconds_of, stereo


@dataclass(frozen=True)
class _Skin:
    """A sine that falls from one frequency to another (Hz) within `fall` seconds and decays in `decay`."""

    gain: float
    start: float
    end: float
    fall: float
    decay: float

    def sound(self, _: np.random.Generator) -> Mono:
        t = seconds_of(self.decay * 1.15)
        phase = 2 * np.pi * (self.end * t + (self.start - self.end) * self.fall * (1 - np.exp(-t / self.fall)))
        skin = np.sin(phase) * np.exp(-6.9 * t / self.decay) * edges(t.size, 0.001, 0.02)
        return np.asarray(self.gain * skin, dtype=np.float32)


@dataclass(frozen=True)
class _Noise:
    """Noise between two frequencies (Hz) that starts after `late` seconds, rises, and decays in `decay` seconds."""

    gain: float
    decay: float
    low: float
    high: float
    rise: float = 0.0
    late: float = 0.0

    def sound(self, rng: np.random.Generator) -> Mono:
        size = round(1.2 * self.decay * SAMPLE_RATE)
        spectrum = np.fft.rfft(rng.standard_normal(size))
        hz = np.fft.rfftfreq(size, 1 / SAMPLE_RATE)
        spectrum *= (hz**4 / (hz**4 + self.low**4)) / (1 + (hz / self.high) ** 4)
        sound = np.fft.irfft(spectrum, size)
        sound *= np.exp(-6.9 * np.arange(size) / SAMPLE_RATE / self.decay) * edges(size, self.rise, 0.01)
        sound *= self.gain / (np.abs(sound).max() + 1e-9)
        return np.concatenate([np.zeros(round(self.late * SAMPLE_RATE)), sound]).astype(np.float32)


@dataclass(frozen=True)
class _Drum:
    """Layers, and a position from -1 (left) to 1. A wide drum has different noise on each side."""

    layers: tuple[_Skin | _Noise, ...]
    place: float = 0.0
    wide: bool = False


_DRUMS: dict[str, _Drum] = {
    "kick": _Drum((_Skin(0.95, 150, 47, 0.03, 0.4), _Noise(0.12, 0.015, 1500, 6000))),
    "snare": _Drum((_Skin(0.4, 240, 180, 0.02, 0.16), _Noise(0.5, 0.24, 900, 9000))),
    "rim": _Drum((_Skin(0.3, 1700, 900, 0.004, 0.04), _Noise(0.3, 0.04, 2000, 7000)), 0.2),
    "clap": _Drum(
        (
            _Noise(0.32, 0.03, 900, 5500),
            _Noise(0.32, 0.03, 900, 5500, late=0.011),
            _Noise(0.32, 0.22, 900, 5500, late=0.023),
        ),
        -0.1,
    ),
    "hat": _Drum((_Noise(0.28, 0.06, 7000, 15_000),), 0.3),
    "shaker": _Drum((_Noise(0.22, 0.09, 5000, 12_000, rise=0.018),), -0.35),
    "tick": _Drum((_Noise(0.3, 0.02, 3000, 9000),), 0.4),
    "tom": _Drum((_Skin(0.7, 150, 92, 0.05, 0.42), _Noise(0.15, 0.04, 400, 3000)), 0.25),
    "taiko": _Drum((_Skin(0.95, 105, 52, 0.05, 1.1), _Noise(0.4, 0.1, 150, 1600)), -0.1),
    "crash": _Drum((_Noise(0.3, 2.2, 2500, 14_000),), wide=True),
}


def drum(name: str) -> Samples:
    """One stroke at full force. Deterministic."""
    chosen, rng = _DRUMS[name], np.random.default_rng(sum(name.encode()))
    if chosen.wide:
        return gained(np.stack([_mixed(chosen, rng), _mixed(chosen, rng)], axis=1), 1.0)
    return stereo(_mixed(chosen, rng), chosen.place)


def _mixed(chosen: _Drum, rng: np.random.Generator) -> Mono:
    sounds = [layer.sound(rng) for layer in chosen.layers]
    total = np.zeros(max(sound.size for sound in sounds), np.float32)
    for sound in sounds:
        total[: sound.size] += sound
    return total
