"""Melodies from motifs: a two-bar rhythm, one leap and steps back, stated and answered over the chords."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise

from services.generator.providers.animatic.music.moods import MODES
from services.generator.providers.animatic.music.notation import Bar, Note, Score

# Two-bar rhythms by density, as the beats on which notes start; each note lasts until the next one.
_RHYTHMS_4: tuple[tuple[float, ...], ...] = (
    (0, 4),
    (0, 2, 4),
    (0, 3, 4, 6),
    (0, 1.5, 2, 4, 6),
    (0, 1, 2, 4, 5.5),
    (0, 1.5, 3, 4, 5.5, 6),
    (0, 0.5, 1, 2, 3, 4, 6),
    (0.5, 1, 1.5, 2.5, 4, 4.5, 5, 6.5),
    (0, 0.75, 1.5, 2, 3, 4, 4.75, 5.5, 6),
)
_RHYTHMS_3: tuple[tuple[float, ...], ...] = ((0, 3), (0, 2, 3), (0, 1, 2, 3), (0, 2, 3, 5), (0, 1, 2, 3, 4, 5))


def write_melody(score: Score, plan: Sequence[Bar], rng: random.Random) -> None:
    """Two two-bar motifs, the second higher. Each phrase states one, then answers it with a longer final note."""
    style = score.style
    if not style.lead:
        return
    rhythms = _RHYTHMS_3 if style.beats == 3 else _RHYTHMS_4
    middle = style.density * (len(rhythms) - 1)
    motifs = {role: _motif(rhythms, middle + shift, rng) for role, shift in (("a", -0.5), ("b", 0.7))}
    centre = lead_centre(style.lead)
    for first, second in pairwise([*plan, None]):
        if first is None or first.in_phrase % 2 or first.role == "rest":
            continue
        if first.role == "intro" and (first.in_phrase == 0 or score.bars > 16):
            continue
        if first.role == "outro" and first.in_phrase >= 2:  # the last chord ends the melody
            continue
        role = "b" if first.role == "b" else "a"
        answers = first.in_phrase == 2
        bars = [first] + ([second] if second and second.in_phrase == first.in_phrase + 1 else [])
        lifted = [(beat, place + (3 if role == "b" else 0)) for beat, place in motifs[role]]
        line = _line(score, bars, lifted, centre, answers)
        score.parts.setdefault("lead", []).extend(line)


_CENTRE = 70
_LEAD_CENTRE = {
    "strings": 68,
    "brass": 62,
    "low": 55,
    "bell": 79,
    "celesta": 82,
    "flute": 78,
    "synth": 74,
    "rhodes": 70,
}


def _motif(rhythms: Sequence[tuple[float, ...]], density: float, rng: random.Random) -> list[tuple[float, int]]:
    """(beat, scale steps from the centre) over two bars: mostly steps, an occasional leap, returning at the end."""
    rhythm = rhythms[min(len(rhythms) - 1, max(0, round(density + rng.uniform(-0.6, 0.6))))]
    place = rng.choice((0, 2, 2, 4))
    leap = rng.randrange(1, len(rhythm)) if len(rhythm) > 2 else 0
    way = 1 if place < 3 else -1
    notes = []
    for index, beat in enumerate(rhythm):
        if index == leap and index:  # one leap, then back by steps, which makes a line memorable
            place += way * rng.choice((2, 3, 4))
            way = -way
        elif index:
            place += way if rng.random() < 0.7 else -way
        place = min(6, max(-3, place))
        notes.append((beat, place))
    return notes


def _line(
    score: Score, bars: Sequence[Bar], motif: Sequence[tuple[float, int]], centre: int, answers: bool
) -> list[Note]:
    style = score.style
    span = len(bars) * style.beats
    start = bars[0].index * style.beats
    notes = [(b, place) for b, place in motif if b < span]
    if answers and len(notes) > 2:  # the answer has fewer notes and a long last one
        notes = [n for n in notes if n[0] <= style.beats] or notes[:1]
    line: list[Note] = []
    for index, (beat, place) in enumerate(notes):
        bar = bars[min(len(bars) - 1, int(beat // style.beats))]
        end = notes[index + 1][0] if index + 1 < len(notes) else span
        strong = beat % style.beats in (0, style.beats / 2) or end - beat >= 1.5
        pitch = _pitch(score, bar, centre, place, strong, line[-1].pitch if line else None)
        length = min(end - beat, 2.0 * style.beats) * 0.95
        line.append(Note(start + beat, length, pitch, (0.55 + 0.4 * bar.force) * (1 if strong else 0.85)))
    return line


def _pitch(score: Score, bar: Bar, centre: int, place: int, strong: bool, before: int | None) -> int:
    """A scale step near the centre; on strong beats and for long notes, the nearest chord tone."""
    scale = MODES[score.style.mode]
    base = nearest_tonic(centre, score.tonic)
    pitch = base + scale[place % 7] + 12 * (place // 7)
    if not strong:
        clash = any((pitch - score.tonic - tone) % 12 in (1, 11) for tone in bar.tones)
        return pitch + (1 if clash and (pitch + 1 - score.tonic) % 12 in scale else 0)
    tones = [base + tone % 12 + octave for tone in bar.tones[:3] for octave in (-12, 0, 12)]

    def cost(tone: int) -> tuple[float, int]:
        if before is None:
            return abs(tone - pitch), tone
        return abs(tone - pitch) + 0.4 * abs(tone - before) + (6 if tone == before else 0), tone

    return min(tones, key=cost)


def nearest_tonic(centre: int, tonic: int) -> int:
    return centre - (centre - tonic + 6) % 12 + 6


def lead_centre(instrument: str) -> int:
    """The pitch around which an instrument plays the melody."""
    return _LEAD_CENTRE.get(instrument, _CENTRE)
