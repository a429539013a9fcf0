"""Accompanies a melody: sustained chords, a bass line, and a figure that arpeggiates the chords in the style's
pattern."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from services.generator.providers.animatic.music.moods import Style
from services.generator.providers.animatic.music.notation import Bar, Note, Score


def accompany(score: Score, plan: Sequence[Bar], voicings: Sequence[list[int]]) -> None:
    style = score.style
    for bar, chord in zip(plan, voicings, strict=False):
        at = bar.index * style.beats
        if style.pad:
            score.parts.setdefault("pad", []).extend(Note(at, style.beats, p, 0.35 + 0.5 * bar.force) for p in chord)
        if style.figure and not (style.pad and bar.role == "intro" and bar.in_phrase < 2 and score.bars > 16):
            notes = _FIGURES[style.pattern](chord, style)
            score.parts.setdefault("figure", []).extend(
                Note(at + n.at, n.length, n.pitch, n.force * (0.45 + 0.5 * bar.force)) for n in notes
            )
        if style.bass and (bar.role != "intro" or bar.in_phrase >= 2 or score.bars <= 8):
            root = 36 + (score.tonic + bar.tones[0]) % 12
            root += -12 if root > 44 else 0
            score.parts.setdefault("bass", []).extend(_bass(at, max(28, root), bar, style))


def _bass(at: float, root: int, bar: Bar, style: Style) -> list[Note]:
    force = 0.5 + 0.45 * bar.force
    if style.kit == "dance":
        return [Note(at + b + 0.5, 0.4, root, force) for b in range(style.beats)]
    if style.kit == "pulse":
        return [Note(at + b / 2, 0.45, root, force * (1 if b % 2 == 0 else 0.7)) for b in range(style.beats * 2)]
    if style.energy > 0.55 and bar.role not in ("intro", "outro") and style.beats == 4:
        fifth = root + 7 if root + 7 <= 45 else root - 5
        return [
            Note(at, 1.4, root, force),
            Note(at + 1.5, 0.5, root, force * 0.8),
            Note(at + 2.5, 1.2, fifth, force * 0.9),
        ]
    if style.energy > 0.33 and style.beats == 4:
        return [Note(at, 2.4, root, force), Note(at + 2.5, 1.4, root, force * 0.75)]
    return [Note(at, style.beats - 0.1, root, force)]


Figure = Callable[[list[int], Style], list[Note]]


def _arpeggio(order: Sequence[int], step: float, length: float, accent: int) -> Figure:
    def play(chord: list[int], style: Style) -> list[Note]:
        ladder = [*chord, chord[0] + 12, chord[1] + 12, chord[2] + 12]
        count = round(style.beats / step)
        return [
            Note(i * step, length, ladder[order[i % len(order)] % len(ladder)], 0.9 if i % accent == 0 else 0.65)
            for i in range(count)
        ]

    return play


def _strum(chord: list[int], style: Style) -> list[Note]:
    beats = ((0.0, 1.0), (1.0, 0.6), (1.5, 0.8), (2.5, 0.75), (3.0, 0.6), (3.5, 0.7))
    voices = [*chord, chord[0] + 12]
    return [Note(b + 0.025 * i, 0.6, p, f * 0.8) for b, f in beats if b < style.beats for i, p in enumerate(voices)]


def _hop(chord: list[int], style: Style) -> list[Note]:
    """Off-beat chords for a cheerful accompaniment."""
    return [Note(b + 0.5, 0.3, p + 12, 0.7) for b in range(style.beats) for p in chord[-2:]]


def _waltz(chord: list[int], style: Style) -> list[Note]:
    return [Note(b, 0.8, p, 0.7) for b in range(1, style.beats) for p in chord]


def _drops(chord: list[int], style: Style) -> list[Note]:
    return [Note(0.5, 3, chord[-1] + 12, 0.7), Note(2.75, 3, chord[len(chord) // 2] + 12, 0.5)]


_FIGURES: dict[str, Figure] = {
    "broken": _arpeggio((0, 2, 1, 2, 3, 2, 1, 2), 0.5, 0.9, 4),
    "wave": _arpeggio((0, 1, 2, 3, 4, 3, 2, 1), 0.5, 2.0, 8),
    "pulse": _arpeggio((0, 2, 1, 2), 0.5, 0.6, 4),
    "ostinato": _arpeggio((0, 0, 1, 0, 0, 2, 0, 1), 0.5, 0.3, 4),
    "gallop": _arpeggio((0, 0, 0, 1, 0, 0, 2, 0, 0, 1, 0, 0), 1 / 3, 0.25, 3),
    "sequence": _arpeggio((0, 3, 2, 3, 1, 3, 2, 4), 0.25, 0.22, 4),
    "strum": _strum,
    "hop": _hop,
    "waltz": _waltz,
    "drops": _drops,
}
