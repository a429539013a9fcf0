"""The form of a piece and its chords: four-bar phrases, progressions by mode, smooth voice leading."""

from __future__ import annotations

import random
from collections.abc import Sequence

from services.generator.providers.animatic.music.moods import MODES, Style
from services.generator.providers.animatic.music.notation import Bar

# Progressions as degrees above the tonic, one per bar. The first of a mode is the simplest.
_PROGRESSIONS: dict[str, tuple[tuple[int, ...], ...]] = {
    "major": ((0, 4, 5, 3), (0, 5, 3, 4), (0, 2, 3, 4), (0, 3, 5, 4), (3, 0, 4, 5), (5, 3, 0, 4)),
    "minor": ((0, 5, 2, 6), (0, 3, 5, 4), (0, 6, 5, 6), (0, 5, 3, 6), (5, 6, 0, 2), (3, 0, 5, 6)),
    "dorian": ((0, 3, 0, 6), (0, 6, 3, 0), (0, 2, 3, 6), (0, 3, 6, 3)),
    "phrygian": ((0, 1, 0, 6), (0, 1, 5, 1), (0, 6, 1, 0), (0, 3, 1, 1)),
    "lydian": ((0, 1, 0, 1), (0, 1, 4, 0), (0, 4, 1, 5), (5, 1, 0, 4)),
    "mixolydian": ((0, 6, 3, 0), (0, 3, 6, 3), (0, 4, 6, 3)),
}
# The chord before the last, which leads to the tonic in each mode.
_LEADING_HOME = {"major": 4, "minor": 4, "dorian": 6, "phrygian": 1, "lydian": 4, "mixolydian": 6}


def plan_bars(style: Style, bars: int, rng: random.Random) -> list[Bar]:
    """Four-bar phrases: an intro, A and B, a rest in long pieces, and an outro that leads to the tonic."""
    table = _PROGRESSIONS[style.mode]
    first = table[rng.randrange(min(3, len(table)))]
    second = rng.choice([p for p in table if p != first])
    phrases = [range(start, min(bars, start + 4)) for start in range(0, bars, 4)]
    roles = _roles(len(phrases))
    plan: list[Bar] = []
    for phrase, (role, force) in zip(phrases, roles, strict=True):
        progression = second if role == "b" else first
        for place, index in enumerate(phrase):
            degree = progression[place % len(progression)]
            leads_home = index == bars - 1 and bars > 1
            if leads_home:
                degree = _LEADING_HOME[style.mode]
            ends = place == len(phrase) - 1
            tones = chord(style, degree, raised=leads_home and style.mode == "minor")
            plan.append(Bar(index, degree, tones, force * (0.75 + 0.25 * style.energy), role, ends, place))
    return plan


def _roles(count: int) -> list[tuple[str, float]]:
    if count == 1:
        return [("a", 0.7)]
    if count == 2:
        return [("a", 0.6), ("b", 0.85)]
    middle = [("a", 0.65), ("a", 0.75), ("b", 0.9), ("a", 0.85), ("rest", 0.45), ("a", 0.7), ("b", 1.0), ("b", 0.95)]
    body = [middle[i % len(middle)] for i in range(count - 2)]
    if count == 3:
        body = [("b", 0.85)]
    return [("intro", 0.5), *body, ("outro", 0.65)]


def chord(style: Style, degree: int, *, raised: bool = False) -> tuple[int, ...]:
    """A triad on a degree of the mode, with a seventh if the style uses them. `raised`: V as a major chord."""
    scale = MODES[style.mode]
    steps = (0, 2, 4, 6) if style.sevenths and not raised else (0, 2, 4)
    tones = [scale[(degree + s) % 7] + 12 * ((degree + s) // 7) for s in steps]
    if raised:
        tones = [t + 1 if t % 12 == 10 else t for t in tones]
    return tuple(tones)


def voice_chords(chords: Sequence[tuple[int, ...]], tonic: int) -> list[list[int]]:
    """The pitches of each chord in the middle register, each as close as possible to the previous chord."""
    voiced: list[list[int]] = []
    before = [60.0, 64.0, 67.0]
    for tones in chords:
        candidates = []
        for base in range(48, 66):
            chord = sorted(base + (tonic + tone - base) % 12 for tone in tones)
            if max(chord) <= 76:
                candidates.append(chord)
        centre = [sum(before) / len(before)] * len(tones) if len(before) != len(tones) else before
        best = min(candidates, key=lambda c: sum(abs(a - b) for a, b in zip(c, centre, strict=True)))
        drift = [b + 0.15 * (59 + 4 * i - b) for i, b in enumerate(best)]  # prevents a drift over many bars
        before = [float(v) for v in drift]
        voiced.append(best)
    return voiced
