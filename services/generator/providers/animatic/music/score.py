"""Child process: renders a composed score to a stereo file of exactly the requested length."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from services.generator.media.worker_process import Job, serve
from services.generator.providers.animatic.audiofile import (
    SAMPLE_RATE,
    Samples,
    fast_length,
    level,
    write_audio,
)
from services.generator.providers.animatic.music.composition import compose_score
from services.generator.providers.animatic.music.moods import Style, read_prompt
from services.generator.providers.animatic.music.notation import Score
from services.generator.providers.animatic.music.orchestra import SEATS, Orchestra, Sound

LOUDNESS_LUFS, PEAK_DBFS = -16.0, -1.2
# Notes are mixed in blocks of this length, so that the additional memory does not grow with the piece.
_STRETCH_S = 24
_FADE_S = 0.35


def compose(job: Job) -> Job:
    """Job: prompt, duration_s, seed, out. Result: see engine.Composed."""
    style = read_prompt(str(job["prompt"]))
    duration_s = float(job["duration_s"])
    score = compose_score(style, duration_s, job["seed"])
    audio = perform(score, duration_s, job["seed"])
    write_audio(Path(job["out"]), audio)
    return {"mood": style.mood, "mode": style.mode, "bpm": score.bpm, "tonic": score.tonic, "bars": score.bars}


def perform(score: Score, duration_s: float, seed: int) -> Samples:
    """Mixes all parts with reverb and normalises the level. The last sample is silent."""
    total = round(duration_s * SAMPLE_RATE)
    mix = np.zeros((total, 2), np.float32)
    events = sorted(_balanced(score, _events(score, seed)), key=lambda event: event.at)
    room = impulse(score.style.room)
    stretch = _STRETCH_S * SAMPLE_RATE
    for first in range(0, total, stretch):
        inside = [e for e in events if first <= e.at < first + stretch]
        if not inside:
            continue
        length = max(e.at + len(e.sound.samples) for e in inside) - first
        dry, send = np.zeros((length, 2), np.float32), np.zeros((length, 2), np.float32)
        for event in inside:
            samples = event.sound.samples * np.float32(event.gain)
            at = slice(event.at - first, event.at - first + len(samples))
            dry[at] += samples
            send[at] += samples * np.float32(event.send)
        _add(mix, first, dry)
        _add(mix, first, _convolve(send, room))
    mix = level(_warm(mix), LOUDNESS_LUFS, PEAK_DBFS)
    fade = min(total, round(_FADE_S * SAMPLE_RATE))
    mix[total - fade :] *= (0.5 + 0.5 * np.cos(np.linspace(0, np.pi, fade, dtype=np.float32)))[:, None]
    return mix


@dataclass(frozen=True)
class _Event:
    """A sound of a part with its start sample; `send` is the share for the reverb."""

    role: str
    at: int
    sound: Sound
    gain: float
    send: float


def _events(score: Score, seed: int) -> list[_Event]:
    """Humanises timing and force by a few milliseconds and per cent, by seed."""
    rng = random.Random(f"players:{seed}")
    orchestra, style = Orchestra(), score.style
    names = {"lead": style.lead, "figure": style.figure, "pad": style.pad, "bass": style.bass}
    events = []
    for role, notes in score.parts.items():
        for note in notes:
            at = score.seconds(note.at)
            length = max(0.08, score.seconds(note.at + note.length) - at)
            sound = orchestra.note(role, names[role], note.pitch, length, note.force)
            loose = abs(rng.gauss(0, 0.006)) if role in ("lead", "figure") else 0.0
            first = round((at + loose) * SAMPLE_RATE)
            events.append(_Event(role, first, sound, rng.uniform(0.92, 1.0), SEATS[role].send * _wet(style)))
    for hit in score.hits:
        first = round((score.seconds(hit.at) + abs(rng.gauss(0, 0.003))) * SAMPLE_RATE)
        events.append(_Event("drums", first, orchestra.hit(hit.drum), hit.force, 0.16 * _wet(style)))
    return events


def _balanced(score: Score, events: Sequence[_Event]) -> list[_Event]:
    """Adjusts the loudness of each part relative to the lead while it plays, whatever its instrument's own loudness."""
    bar = round(score.style.beats * 60 / score.bpm * SAMPLE_RATE)
    gains = {}
    for role in {event.role for event in events}:
        part = [event for event in events if event.role == role]
        playing = len({event.at // bar for event in part}) * bar
        power = sum(event.sound.energy * event.gain**2 for event in part) / playing
        gains[role] = 0.1 * 10 ** (_place(score.style, role) / 20) / max(1e-6, power**0.5)
    return [replace(event, gain=event.gain * gains[event.role]) for event in events]


def _place(style: Style, role: str) -> float:
    """Decibels relative to the lead. Drums get louder with the energy; without a lead the figure is the reference."""
    if role == "drums":
        return -11 + 7.5 * style.energy
    return SEATS[role].loudness + (3.0 if role == "figure" and not style.lead else 0.0)


def _wet(style: Style) -> float:
    return 0.4 + 0.9 * style.room


def impulse(room: float) -> Samples:
    """A reverb impulse response: noise in three bands with individual decays (high ones first), after 18 ms."""
    seconds = 0.9 + 2.6 * room
    size = round(seconds * SAMPLE_RATE)
    rng = np.random.default_rng(1966)
    hz = np.fft.rfftfreq(size, 1 / SAMPLE_RATE)
    t = np.arange(size) / SAMPLE_RATE
    answer = np.zeros((size, 2))
    for low, high, share in ((150, 700, 1.0), (700, 3000, 0.75), (3000, 9000, 0.4)):
        band = (hz**2 / (hz**2 + low**2)) / (1 + (hz / high) ** 2)
        noise = np.fft.irfft(np.fft.rfft(rng.standard_normal((size, 2)), axis=0) * band[:, None], size, axis=0)
        answer += noise * np.exp(-6.9 * t / (seconds * share))[:, None]
    answer *= np.minimum(1, t / 0.012)[:, None]  # softens the first reflection
    answer /= np.sqrt((answer**2).sum(axis=0)) * 1.6
    return np.concatenate([np.zeros((864, 2)), answer]).astype(np.float32)


def _convolve(sound: Samples, answer: Samples) -> Samples:
    count = len(sound) + len(answer) - 1
    size = fast_length(count)
    spectrum = np.fft.rfft(sound, size, axis=0) * np.fft.rfft(answer, size, axis=0)
    return np.fft.irfft(spectrum, size, axis=0)[:count].astype(np.float32)


def _add(mix: Samples, first: int, sound: Samples) -> None:
    room = min(len(sound), len(mix) - first)
    if room > 0:
        mix[first : first + room] += sound[:room]


def _warm(mix: Samples) -> Samples:
    """Slight saturation, which blends the parts and reduces single peaks."""
    peak = float(np.abs(mix).max()) or 1.0
    drive = np.float32(1.4 / peak)
    return np.asarray(np.tanh(mix * drive) / drive, dtype=np.float32)


if __name__ == "__main__":
    serve(compose)
