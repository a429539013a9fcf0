"""Drum patterns by kit, their growth with the form, and fills into the next phrase."""

from __future__ import annotations

import random
from collections.abc import Sequence

from services.generator.providers.animatic.music.notation import Bar, Hit, Score

# A bar on a grid of sixteenths: (sixteenth, drum, force, minimum force of the bar at which it plays).
_Pattern = tuple[tuple[int, str, float, float], ...]


def _kit(*lines: str) -> _Pattern:
    """Parses lines of "drum sixteenth:force:minimum"."""
    strokes = []
    for line in lines:
        drum, *marks = line.split()
        for mark in marks:
            step, force, least = mark.split(":")
            strokes.append((int(step), drum, float(force), float(least)))
    return tuple(strokes)


_KITS: dict[str, _Pattern] = {
    "soft": _kit(
        "kick 0:.7:.5 8:.55:.6", "rim 4:.5:.6 12:.55:.6", "shaker 0:.7:.5 2:.5:.5 4:.7:.5 6:.5:.5 8:.7:.5 10:.5:.5",
        "shaker 12:.7:.5 14:.5:.5",
    ),
    "lofi": _kit(
        "kick 0:.8:.4 7:.5:.6 10:.6:.5", "snare 4:.55:.5 12:.6:.5", "hat 0:.5:.45 2:.35:.45 4:.5:.45 6:.35:.45",
        "hat 8:.5:.45 10:.35:.45 12:.5:.45 14:.35:.45",
    ),
    "light": _kit(
        "kick 0:.6:.5 8:.6:.5", "clap 4:.5:.65 12:.5:.65", "shaker 0:.6:.4 2:.5:.4 4:.6:.4 6:.5:.4",
        "shaker 8:.6:.4 10:.5:.4 12:.6:.4 14:.5:.4",
    ),
    "pop": _kit(
        "kick 0:.9:.45 6:.6:.7 8:.8:.45", "clap 4:.75:.5 12:.8:.5", "hat 0:.45:.4 2:.6:.4 4:.45:.4 6:.6:.4",
        "hat 8:.45:.4 10:.6:.4 12:.45:.4 14:.6:.4",
    ),
    "epic": _kit(
        "taiko 0:1:.3 6:.6:.6 8:.85:.5 11:.5:.75", "tom 14:.7:.6 15:.6:.75", "snare 4:.5:.85 12:.6:.85",
    ),
    "pulse": _kit(
        "kick 0:.8:.3 8:.6:.5", "tom 14:.5:.6 11:.4:.8", "tick 0:.7:.4 2:.5:.4 4:.7:.4 6:.5:.4",
        "tick 8:.7:.4 10:.5:.4 12:.7:.4 14:.5:.4",
    ),
    "boom": _kit("taiko 0:.8:.5"),
    "dance": _kit(
        "kick 0:.95:.45 4:.95:.45 8:.95:.45 12:.95:.45", "clap 4:.7:.6 12:.7:.6", "hat 2:.6:.5 6:.6:.5 10:.6:.5",
        "hat 14:.6:.5", "shaker 1:.35:.75 3:.35:.75 5:.35:.75 7:.35:.75 9:.35:.75 11:.35:.75 13:.35:.75 15:.35:.75",
    ),
}  # fmt: skip


def write_drums(score: Score, plan: Sequence[Bar], rng: random.Random) -> None:
    style = score.style
    if not style.kit:
        return
    pattern = _KITS[style.kit]
    for bar, following in zip(plan, [*plan[1:], None], strict=True):
        at = bar.index * style.beats
        quiet = bar.role == "intro" and bar.in_phrase < 2
        for step, drum, force, least in pattern:
            if (
                step < style.beats * 4
                and bar.force >= least * 0.9
                and not (quiet and drum in ("kick", "snare", "clap"))
            ):
                score.hits.append(Hit(at + step / 4, drum, force * (0.6 + 0.4 * bar.force) * rng.uniform(0.9, 1)))
        rises = following is not None and following.force >= bar.force and following.role != bar.role
        if bar.ends_phrase and following is not None and bar.role != "intro" and style.energy > 0.4:
            _fill(score, at, rng)
        if rises and style.energy > 0.5:
            score.hits.append(Hit(at + style.beats, "crash", 0.7 * style.energy))


def _fill(score: Score, at: float, rng: random.Random) -> None:
    drum = "taiko" if score.style.kit in ("epic", "boom") else "tom" if score.style.energy > 0.6 else "rim"
    start = score.style.beats - 1
    for step in range(4):
        if rng.random() < 0.8:
            score.hits.append(Hit(at + start + step / 4, drum, 0.45 + 0.12 * step))
