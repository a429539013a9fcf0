"""Pitched instruments: pitch (MIDI), seconds, force (0-1) -> stereo samples. Synthesised, without recordings."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from services.generator.providers.animatic.audiofile import SAMPLE_RATE, Samples
from services.generator.providers.animatic.music.synthesis import (
    edges,
    faded,
    gained,
    hertz,
    partials,
    seconds_of,
    stereo,
    sustained,
)


def piano(pitch: int, seconds: float, force: float) -> Samples:
    """Inharmonic partials with individual decays, brighter at higher force; two slightly detuned strings."""
    frequency = hertz(pitch)
    ring = min(seconds + 0.5, 6.0)
    decay = 9.0 * 2 ** (-(pitch - 48) / 16)
    stiff = 0.00022 * 2 ** ((pitch - 60) / 14)
    tilt = 1.75 - 0.75 * force
    shape = [(n * np.sqrt(1 + stiff * n * n), n**-tilt * (0.75 if n % 7 == 0 else 1), decay / (1 + 0.28 * (n - 1)))
             for n in range(1, 13)]  # fmt: skip
    left = partials(frequency * 0.99985, ring, shape)
    right = partials(frequency * 1.0002, ring, shape)
    knock = np.random.default_rng(pitch).standard_normal(1200).astype(np.float32) * np.exp(-np.arange(1200) / 150)
    knock = np.convolve(knock, np.ones(12) / 12, "same").astype(np.float32) * np.float32(0.12 * force)
    place = (pitch - 64) / 90
    sound = stereo(faded(left, seconds, 0.3), place - 0.25) + stereo(faded(right, seconds, 0.3), place + 0.25)
    sound[: min(1200, len(sound))] += knock[: len(sound), None]
    return gained(sound, 0.5 * force)


def rhodes(pitch: int, seconds: float, force: float) -> Samples:
    """An electric piano by frequency modulation: a bell-like tine over a mellow tone, with a slow stereo tremolo."""
    frequency = hertz(pitch)
    t = seconds_of(min(seconds + 0.4, 5.0))
    decay = np.exp(-t * np.float32(1.4 * 2 ** ((pitch - 60) / 20)))
    tine = np.sin(np.float32(2 * np.pi * frequency * 14) * t) * np.exp(-t * 22) * np.float32(0.35 * force)
    body = np.sin(np.float32(2 * np.pi * frequency) * t + np.float32(1.3 * force) * decay * np.sin(
        np.float32(2 * np.pi * frequency) * t) + tine)  # fmt: skip
    mono = faded((body * decay * edges(t.size, 0.003, 0)).astype(np.float32), seconds, 0.25)
    sway = 0.22 * np.sin(2 * np.pi * 4.2 * np.arange(mono.size) / SAMPLE_RATE).astype(np.float32)
    return gained(np.stack([mono * (1 - sway), mono * (1 + sway)], axis=1), 0.55 * force)


def plucked(pitch: int, seconds: float, force: float, *, body: float = 1.0, bright: float = 0.5) -> Samples:
    """A string plucked at a fifth of its length; high partials decay first."""
    decay = body * 2.8 * 2 ** (-(pitch - 52) / 22)
    count = 16 if bright > 0.4 else 9
    shape = [
        (n * (1 + 0.00004 * n * n), abs(np.sin(np.pi * n / 5)) * n ** (-1.35 + 0.3 * bright), decay / (1 + 0.32 * n))
        for n in range(1, count)
    ]
    mono = partials(hertz(pitch), min(seconds + 0.4, decay + 0.2), shape, attack=0.002)
    return gained(stereo(faded(mono, seconds, 0.18), (pitch - 62) / 60), 0.62 * force)


def struck(pitch: int, seconds: float, force: float, *, shape: list[tuple[float, float, float]]) -> Samples:
    """Bars and bells: a few inharmonic partials, undamped."""
    high = 2 ** (-(pitch - 72) / 30)
    scaled = [(ratio, strength, decay * high) for ratio, strength, decay in shape]
    ring = min(5.0, max(decay for _, _, decay in scaled) * 0.8)
    mono = partials(hertz(pitch), ring, scaled, attack=0.001)
    mono *= edges(mono.size, 0.0, min(0.3, ring / 2))
    return gained(stereo(mono, (pitch - 76) / 50), 0.5 * force)


_BELL = [(1.0, 1.0, 3.4), (2.0, 0.45, 2.4), (2.76, 0.35, 1.6), (5.4, 0.18, 0.9), (8.93, 0.08, 0.4)]
_CELESTA = [(1.0, 1.0, 2.0), (2.0, 0.12, 1.2), (4.0, 0.22, 0.6), (9.2, 0.05, 0.2)]
_MARIMBA = [(1.0, 1.0, 0.75), (3.93, 0.32, 0.22), (9.4, 0.12, 0.07)]


def strings(pitch: int, seconds: float, force: float) -> Samples:
    attack = min(0.28, seconds * 0.4)
    played = sustained("strings", pitch, seconds, attack=attack, release=0.4, voices=4, detune=9, vibrato=14)
    return gained(played, 0.42 * force)


def spiccato(pitch: int, seconds: float, force: float) -> Samples:
    sound = sustained("strings", pitch, 0.16, attack=0.008, release=0.16, voices=3, detune=10)
    fall = np.exp(-np.arange(len(sound), dtype=np.float32) / np.float32(0.09 * SAMPLE_RATE))
    return gained(sound * fall[:, None], 0.75 * force)


def pad(kind: str) -> Callable[[int, float, float], Samples]:
    def play(pitch: int, seconds: float, force: float) -> Samples:
        attack = min(0.7, seconds * 0.35)
        voices, vibrato = (5, 10.0) if kind == "choir" else (4, 0.0)
        sound = sustained(kind, pitch, seconds, attack=attack, release=0.9, voices=voices, detune=11, vibrato=vibrato)
        return gained(sound, 0.32 * force)

    return play


def brass(pitch: int, seconds: float, force: float) -> Samples:
    """Brass: partials enter one after another, and a louder tone is brighter."""
    frequency = hertz(pitch)
    t = seconds_of(seconds + 0.25)
    swell = edges(t.size, min(0.12, seconds / 3), 0.25) * (0.8 + 0.2 * np.clip(t / 0.5, 0, 1))
    sound = np.zeros_like(t)
    wobble = 1 + 0.002 * np.sin(2 * np.pi * 4.8 * t) * np.clip((t - 0.3) / 0.5, 0, 1)
    phase = np.cumsum(wobble.astype(np.float64)) / SAMPLE_RATE * 2 * np.pi * frequency
    for n in range(1, 15):
        if n * frequency > 12_000:
            break
        opened = np.power(swell, np.float32(1 + 0.22 * n * (1.3 - force)))
        sound += (np.sin(n * phase).astype(np.float32) * opened) * np.float32(
            n**-0.85 / (1 + (n * frequency / 2300) ** 2)
        )
    return gained(stereo(sound, 0.15), 0.5 * force)


def flute(pitch: int, seconds: float, force: float) -> Samples:
    t = seconds_of(seconds + 0.12)
    frequency = hertz(pitch)
    depth = 0.004 * np.clip((t - 0.2) / 0.5, 0, 1)
    phase = 2 * np.pi * frequency * np.cumsum(1 + depth * np.sin(2 * np.pi * 5.2 * t), dtype=np.float64) / SAMPLE_RATE
    tone = sum(s * np.sin(n * phase) for n, s in ((1, 1.0), (2, 0.32 * force), (3, 0.12), (4, 0.04)))
    breath = np.random.default_rng(pitch).standard_normal(t.size)
    breath = np.convolve(breath, np.hanning(9) / 4, "same") * 0.025
    sound = (np.asarray(tone) + breath).astype(np.float32) * edges(t.size, 0.06, 0.12)
    return gained(stereo(sound, -0.15), 0.4 * force)


def synth(pitch: int, seconds: float, force: float) -> Samples:
    """Two sawtooth waves with a closing filter, mixed from a bright and a dull wavetable."""
    bright = sustained("saw", pitch, seconds, attack=0.005, release=0.12, voices=2, detune=9)
    dull = sustained("dark", pitch, seconds, attack=0.005, release=0.12, voices=2, detune=6)
    close = np.exp(-np.arange(len(bright), dtype=np.float32) / np.float32(0.14 * SAMPLE_RATE))[:, None]
    return gained((bright * close * 0.8 + dull * 0.9), 0.4 * force)


def soft_bass(pitch: int, seconds: float, force: float) -> Samples:
    shape = [(1, 1.0, 3.5), (2, 0.42, 2.0), (3, 0.2, 1.1), (4, 0.08, 0.6), (5, 0.04, 0.4)]
    mono = partials(hertz(pitch), seconds + 0.15, shape, attack=0.012)
    return gained(stereo(faded(mono, seconds, 0.12)), 0.75 * force)


def sub_bass(pitch: int, seconds: float, force: float) -> Samples:
    t = seconds_of(seconds + 0.5)
    tone = np.sin(np.float32(2 * np.pi * hertz(pitch)) * t) + 0.22 * np.sin(np.float32(4 * np.pi * hertz(pitch)) * t)
    return gained(stereo((tone * edges(t.size, 0.25, 0.5)).astype(np.float32)), 0.55 * force)


def low_strings(pitch: int, seconds: float, force: float) -> Samples:
    attack = min(0.09, seconds / 4)
    return gained(sustained("low", pitch, seconds, attack=attack, release=0.25, voices=3, detune=6), 0.6 * force)


def synth_bass(pitch: int, seconds: float, force: float) -> Samples:
    saw = sustained("low", pitch, seconds, attack=0.004, release=0.06, voices=2, detune=5)
    fall = (0.35 + 0.65 * np.exp(-np.arange(len(saw), dtype=np.float32) / np.float32(0.1 * SAMPLE_RATE)))[:, None]
    below = sub_bass(pitch, seconds, 1.0)[: len(saw)]
    saw[: len(below)] += below * np.float32(0.5)
    return gained(saw * fall, 0.55 * force)


Instrument = Callable[[int, float, float], Samples]
INSTRUMENTS: dict[str, Instrument] = {
    "piano": piano,
    "rhodes": rhodes,
    "pluck": lambda p, s, f: plucked(p, s, f, bright=0.3),
    "guitar": lambda p, s, f: plucked(p, s, f, body=1.2, bright=0.9),
    "pizzicato": lambda p, s, f: plucked(p, min(s, 0.5), f, body=0.28, bright=0.2),
    "bell": lambda p, s, f: struck(p, s, f, shape=_BELL),
    "celesta": lambda p, s, f: struck(p, s, f, shape=_CELESTA),
    "marimba": lambda p, s, f: struck(p, s, f, shape=_MARIMBA),
    "strings": strings,
    "spiccato": spiccato,
    "brass": brass,
    "flute": flute,
    "synth": synth,
    "low": low_strings,
}
PADS: dict[str, Instrument] = {kind: pad(kind) for kind in ("warm", "dark", "choir")} | {"strings": strings}
BASSES: dict[str, Instrument] = {
    "soft": soft_bass,
    "sub": sub_bass,
    "low": low_strings,
    "synth": synth_bass,
    "pluck": lambda p, s, f: plucked(p, s, f * 1.2, body=0.8, bright=0.3),
    "pizzicato": lambda p, s, f: plucked(p, min(s, 0.6), f * 1.2, body=0.4, bright=0.2),
}
