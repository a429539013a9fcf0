"""Where in a narration its sentences end: the pauses that its speaker made, matched with the script as a whole.

A script says how long its sentences should take beside each other, the sound where there was silence. Of all ways to
give sentences a pause each, in order, the best keeps the pace of the speaker even and takes the longer pauses: those
at commas are shorter than those at full stops.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf
from typing import Final

from services.compiler.planning.sound_plan import RATE

FURTHEST_S: Final = 1.5  # from where a sentence should end at an even pace to its pause
DRIFT: Final = 0.1  # and this much more of the way to the nearer end of the narration: no pace is quite even
QUICKEST: Final = 0.5  # of its time that a sentence needs at least: less would be a flash
SKIPPED: Final = 0.3  # cost of a sentence without a pause, in seconds of a pause that is not taken; a clause needs none
MOST_SKIPPED: Final = 5
MOST_TRIED: Final = 12  # pauses per end: bounds the work, whatever is in the sound
SETTLING_S: Final = 0.3  # short sentences are read at any pace


@dataclass(frozen=True)
class ScriptBreak:
    """Where a speaker pauses, at a sentence's end, or may, at a clause's. `told`: the share of the script before it."""

    told: float
    is_sentence: bool


@dataclass(frozen=True)
class Match:
    """End `end` falls into pause `pause`; both are numbers in what was given."""

    end: int
    pause: int


@dataclass(frozen=True)
class _Path:
    """The cheapest way to a breath, by its last steps. `paid`: what skipping all sentences up to it would cost."""

    cost: float
    paid: float
    told: float
    said: float
    end: int
    pause: int
    before: _Path | None


def align_sentences(
    ends: Sequence[ScriptBreak], pauses: Sequence[float], places: Sequence[float], speech: float
) -> tuple[Match, ...]:
    """`ends`: ascending, without the script's own end.

    `pauses`: their lengths; `places`: where each lies in the `speech` as it is without them. All in samples.
    """
    reached: list[list[_Path]] = [[_Path(0.0, 0.0, 0.0, 0.0, -1, -1, None)]]
    owed = 0.0
    for number, end in enumerate(ends):
        before = [way for ways in reached[max(0, number - MOST_SKIPPED) :] for way in ways]
        here = []
        for pause in _near(end.told, pauses, places, speech):
            priced = [(_price(way, end.told, places[pause], speech, owed), way) for way in before if way.pause < pause]
            price, way = min(priced, key=lambda p: p[0], default=(inf, None))
            if price < inf:
                paid = owed + (SKIPPED if end.is_sentence else 0.0)
                here.append(_Path(price - pauses[pause] / RATE, paid, end.told, places[pause], number, pause, way))
        reached.append(here)
        owed += SKIPPED if end.is_sentence else 0.0
    last = [(_price(way, 1.0, speech, speech, owed), way) for ways in reached for way in ways]
    return tuple(_back(min(last, key=lambda p: p[0])[1]))[::-1]


def _near(told: float, pauses: Sequence[float], places: Sequence[float], speech: float) -> list[int]:
    """The pauses that may be the one at this share of the script, ascending: near its place, rather long ones."""
    expected = told * speech
    reach = FURTHEST_S * RATE + DRIFT * speech * min(told, 1 - told)
    found = range(bisect_left(places, expected - reach), bisect_right(places, expected + reach))
    return sorted(sorted(found, key=lambda n: abs(places[n] - expected) / 4 - pauses[n])[:MOST_TRIED])


def _price(way: _Path, told: float, said: float, speech: float, owed: float) -> float:
    """Of going on from a breath to another place; infinite if what lies between would be too quick."""
    expected, took = (told - way.told) * speech / RATE, (said - way.said) / RATE
    if took < QUICKEST * expected:
        return inf
    return way.cost + owed - way.paid + (took - expected) ** 2 / (expected + SETTLING_S)


def _back(way: _Path | None) -> Iterator[Match]:
    while way is not None and way.before is not None:
        yield Match(way.end, way.pause)
        way = way.before
