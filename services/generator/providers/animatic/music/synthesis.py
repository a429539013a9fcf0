"""Building blocks of sound: decaying partials, band-limited wavetables, envelopes. float32 at 48 kHz."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.generator.providers.animatic.audiofile import SAMPLE_RATE, Samples

Mono = NDArray[np.float32]
TABLE = 2048


def hertz(pitch: float) -> float:
    return float(440.0 * 2 ** ((pitch - 69) / 12))


def seconds_of(seconds: float) -> Mono:
    return np.arange(max(1, round(seconds * SAMPLE_RATE)), dtype=np.float32) / np.float32(SAMPLE_RATE)


def partials(
    frequency: float, seconds: float, shape: Sequence[tuple[float, float, float]], attack: float = 0.003
) -> Mono:
    """A sum of decaying sines. `shape`: (ratio to the pitch, strength, seconds of decay to a thousandth)."""
    t = seconds_of(seconds)
    sound = np.zeros_like(t)
    for ratio, strength, decay in shape:
        if frequency * ratio > 0.42 * SAMPLE_RATE:
            continue
        sound += (
            np.float32(strength)
            * np.sin(np.float32(2 * np.pi * frequency * ratio) * t)
            * np.exp(t * np.float32(-6.9 / decay))
        )
    return sound * edges(t.size, attack, 0.0)


def edges(count: int, attack: float, release: float) -> Mono:
    """A raised-cosine fade-in and fade-out, in seconds."""
    envelope = np.ones(count, np.float32)
    rise, fall = min(count, round(attack * SAMPLE_RATE)), min(count, round(release * SAMPLE_RATE))
    if rise > 1:
        envelope[:rise] *= 0.5 - 0.5 * np.cos(np.linspace(0, np.pi, rise, dtype=np.float32))
    if fall > 1:
        envelope[-fall:] *= 0.5 + 0.5 * np.cos(np.linspace(0, np.pi, fall, dtype=np.float32))
    return envelope


@lru_cache(maxsize=256)
def _table(kind: str, frequency_band: int) -> Mono:
    """One cycle of a waveform without inaudible partials, for pitches up to the band (in half octaves)."""
    frequency = 20 * 2 ** (frequency_band / 2)
    top = max(1, min(200, int(15_000 / frequency)))
    n = np.arange(1, top + 1, dtype=np.float64)
    strength = _SPECTRA[kind](n, n * frequency)
    cycle = np.arange(TABLE) / TABLE * 2 * np.pi
    wave = (strength[:, None] * np.sin(np.outer(n, cycle) + n[:, None] * 0.7)).sum(axis=0)
    return np.append(wave, wave[0]).astype(np.float32) / np.float32(np.sqrt((wave**2).mean()) * 3)


def _formants(hz: NDArray[Any]) -> NDArray[Any]:
    """The formants of a choir's vowel "ah" (after Peterson and Barney, 1952)."""
    peaks = ((730, 110, 1.0), (1090, 120, 0.5), (2440, 160, 0.12), (3400, 300, 0.05))
    total = sum(s * np.exp(-(((hz - f) / (2.5 * w)) ** 2)) for f, w, s in peaks)
    return np.asarray(total + 0.35 * np.exp(-hz / 350))


_SPECTRA: dict[str, Callable[[NDArray[Any], NDArray[Any]], NDArray[Any]]] = {
    "strings": lambda n, hz: n**-1.0 / (1 + (hz / 2600) ** 2) * (1 + 0.8 * np.exp(-(((hz - 450) / 300) ** 2))),
    "warm": lambda n, hz: n**-1.1 / (1 + (hz / 900) ** 2),
    "dark": lambda n, hz: n**-1.0 / (1 + (hz / 420) ** 3),
    "choir": lambda n, hz: n**-0.6 * _formants(hz),
    "saw": lambda n, hz: n**-1.0 / (1 + (hz / 5500) ** 2),
    "low": lambda n, hz: n**-0.9 / (1 + (hz / 1100) ** 2),
}


def sustained(
    kind: str,
    pitch: int,
    seconds: float,
    *,
    attack: float,
    release: float,
    voices: int = 3,
    detune: float = 7.0,
    vibrato: float = 0.0,
) -> Samples:
    """Several slightly detuned voices of one waveform across the stereo field. `detune` and `vibrato` in cents."""
    frequency = hertz(pitch)
    table = _table(kind, int(np.ceil(2 * np.log2(max(20.0, frequency) / 20))))
    t = seconds_of(seconds + release)
    sound = np.zeros((t.size, 2), np.float32)
    for voice in range(voices):
        place = (voice / (voices - 1) * 2 - 1) if voices > 1 else 0.0
        own = frequency * 2 ** (place * detune / 1200)
        phase = np.float64(own) * t.astype(np.float64) + (voice * 0.37 + pitch * 0.11) % 1
        if vibrato:
            rate, depth = 5.1 + 0.35 * voice, vibrato / 1200 * np.log(2) * own
            swell = np.clip((t - 0.25) / 0.6, 0, 1)  # vibrato sets in after the attack
            phase -= depth / (2 * np.pi * rate) * (np.cos(2 * np.pi * rate * t + voice) * swell)
        at = (phase % 1) * TABLE
        whole = at.astype(np.int32)
        part = (at - whole).astype(np.float32)
        wave = table[whole] * (1 - part) + table[whole + 1] * part
        right = 0.5 + 0.42 * place
        sound[:, 0] += wave * np.float32(np.sqrt(1 - right))
        sound[:, 1] += wave * np.float32(np.sqrt(right))
    return gained(sound * edges(t.size, attack, release)[:, None], voices**-0.5)


def stereo(mono: Mono, place: float = 0.0) -> Samples:
    right = 0.5 + 0.5 * place
    return np.stack([mono * np.float32(np.sqrt(1 - right)), mono * np.float32(np.sqrt(right))], axis=1)


def faded(mono: Mono, seconds: float, release: float) -> Mono:
    """Damps a ringing sound when its key is released after `seconds`."""
    released_at = round(seconds * SAMPLE_RATE)
    end = min(mono.size, released_at + round(release * SAMPLE_RATE))
    mono = mono[:end]
    return mono * edges(mono.size, 0.0, min(release, mono.size / SAMPLE_RATE))


def gained(sound: Samples, gain: float) -> Samples:
    """A scaled copy, still float32."""
    louder: Samples = sound * np.float32(gain)
    return louder
