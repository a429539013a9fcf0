"""Composes a piece from style, length and seed: form, harmony, bass, figure, melody, drums and an ending.

The last chord starts on a downbeat and rings until the end. The tempo is chosen near the style's, so that a whole
number of bars fits before it.
"""

from __future__ import annotations

import math
import random

from services.generator.providers.animatic.music.accompaniment import accompany
from services.generator.providers.animatic.music.harmony import chord, plan_bars, voice_chords
from services.generator.providers.animatic.music.melody import lead_centre, nearest_tonic, write_melody
from services.generator.providers.animatic.music.moods import Style
from services.generator.providers.animatic.music.notation import Hit, Note, Score
from services.generator.providers.animatic.music.rhythm import write_drums


def compose_score(style: Style, duration_s: float, seed: int) -> Score:
    """A piece whose last chord starts early enough to ring out within `duration_s`."""
    rng = random.Random(f"score:{seed}")
    tonic = style.tonic if style.tonic is not None else rng.choice((0, 2, 3, 5, 7, 9, 10))
    tail = min(1.6 + 2.4 * style.room, 0.3 * duration_s)
    bars, bpm = _fit_bars(style, duration_s - tail)
    beats = float(bars * style.beats)
    slowed = Score(style, bars, beats, bpm, tonic).seconds(beats)
    score = Score(style, bars, beats, bpm * slowed / (duration_s - tail), tonic)  # compensates for the ritardando
    plan = plan_bars(style, bars, rng)
    voicings = voice_chords([*(bar.tones for bar in plan), chord(style, 0)], tonic)
    accompany(score, plan, voicings)
    write_melody(score, plan, rng)
    write_drums(score, plan, rng)
    _end(score, voicings[-1], (duration_s - score.seconds(score.beats)) * score.bpm / 60, rng)
    return score


def _fit_bars(style: Style, seconds: float) -> tuple[int, float]:
    """The number of bars and the tempo near the style's. Prefers multiples of four, then of two."""

    def cost(bars: int) -> float:
        bpm = bars * style.beats * 60 / seconds
        odd = 0.0 if bars % 4 == 0 else 0.05 if bars % 2 == 0 else 0.12
        return abs(math.log(bpm / style.bpm)) + odd

    ideal = seconds * style.bpm / 60 / style.beats
    bars = min(range(1, max(2, math.ceil(ideal * 1.4)) + 1), key=cost)
    return bars, bars * style.beats * 60 / seconds


def _end(score: Score, pitches: list[int], beats: float, rng: random.Random) -> None:
    """The last chord: all parts play the tonic chord and let it ring; the melody ends on one of its tones."""
    style, at = score.style, score.beats
    force = 0.55 + 0.35 * style.energy
    if style.pad:
        score.parts.setdefault("pad", []).extend(Note(at, beats * 0.7, p, force) for p in pitches)
    if style.figure:
        roll = 0.12 if style.energy < 0.7 else 0.02
        voices = [*pitches, pitches[0] + 12]
        score.parts.setdefault("figure", []).extend(
            Note(at + i * roll, beats * 0.8, p, force * 0.9) for i, p in enumerate(voices)
        )
    if style.bass:
        root = 36 + score.tonic % 12
        score.parts.setdefault("bass", []).append(Note(at, beats * 0.75, root - 12 if root > 44 else root, force))
    if style.lead:
        last = nearest_tonic(lead_centre(style.lead), score.tonic) + (
            7 if style.energy < 0.4 and rng.random() < 0.4 else 0
        )
        score.parts.setdefault("lead", []).append(Note(at, beats * 0.7, last, force))
    if style.kit and style.energy > 0.4:
        score.hits.append(Hit(at, "taiko" if style.kit in ("epic", "boom") else "kick", 0.9))
        if style.energy > 0.5:
            score.hits.append(Hit(at, "crash", 0.6))
