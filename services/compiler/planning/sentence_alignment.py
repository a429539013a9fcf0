"""Finds where in a narration its sentences end, by matching the pauses in the sound with the whole script.

The script gives the relative lengths of sentences, the sound gives the silences. Of all ways to assign a pause to each
sentence, in order, the best one keeps the speaker's pace even and uses the longer pauses: pauses at commas are shorter
than those at full stops. A dynamic program finds it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf
from typing import Final

from services.compiler.planning.sound_plan import RATE

FURTHEST_S: Final = 1.5  # between a pause and where its sentence would end at an even pace
DRIFT: Final = 0.1  # added to that: a share of the distance to the nearer end of the narration, as no pace is even
QUICKEST: Final = 0.5  # the least share of its expected time that a sentence may take: less would be a flash
SKIP_COST: Final = 0.3  # of a sentence without a pause, in seconds of pause that is not used; clauses may be skipped
MOST_SKIPPED: Final = 5
MOST_TRIED: Final = 12  # pauses per break: bounds the work for any sound
SETTLING_S: Final = 0.3  # short sentences are read at any pace


@dataclass(frozen=True)
class ScriptBreak:
    """Where a speaker pauses (the end of a sentence) or may pause (the end of a clause).

    `share`: how much of the script comes before it, from 0 to 1.
    """

    share: float
    is_sentence: bool


@dataclass(frozen=True)
class Match:
    """Script break number `end` falls into pause number `pause`."""

    end: int
    pause: int


@dataclass(frozen=True)
class _Path:
    """The cheapest path to a match. `skipped_cost`: the cost of skipping all sentences up to it.

    `share` of the script is spoken after `spoken` samples of speech.
    """

    cost: float
    skipped_cost: float
    share: float
    spoken: float
    end: int
    pause: int
    before: _Path | None


def align_sentences(
    breaks: Sequence[ScriptBreak], pauses: Sequence[float], places: Sequence[float], speech: float
) -> tuple[Match, ...]:
    """The best assignment of pauses to `breaks` (ascending, without the end of the script).

    `pauses`: their lengths; `places`: the position of each in the speech with all pauses removed, which is `speech`
    long. All in samples.
    """
    reached: list[list[_Path]] = [[_Path(0.0, 0.0, 0.0, 0.0, -1, -1, None)]]
    skipping_all = 0.0
    for number, script_break in enumerate(breaks):
        before = [path for paths in reached[max(0, number - MOST_SKIPPED) :] for path in paths]
        here = []
        for pause in _candidates(script_break.share, pauses, places, speech):
            costs = [
                (_cost(path, script_break.share, places[pause], speech, skipping_all), path)
                for path in before
                if path.pause < pause
            ]
            cost, path = min(costs, key=lambda c: c[0], default=(inf, None))
            if cost < inf:
                skipped = skipping_all + (SKIP_COST if script_break.is_sentence else 0.0)
                cost -= pauses[pause] / RATE
                here.append(_Path(cost, skipped, script_break.share, places[pause], number, pause, path))
        reached.append(here)
        skipping_all += SKIP_COST if script_break.is_sentence else 0.0
    last = [(_cost(path, 1.0, speech, speech, skipping_all), path) for paths in reached for path in paths]
    return tuple(_matches(min(last, key=lambda c: c[0])[1]))[::-1]


def _candidates(share: float, pauses: Sequence[float], places: Sequence[float], speech: float) -> list[int]:
    """The pauses that may belong to a break at this share of the script, ascending: near its place, preferably long."""
    expected = share * speech
    reach = FURTHEST_S * RATE + DRIFT * speech * min(share, 1 - share)
    found = range(bisect_left(places, expected - reach), bisect_right(places, expected + reach))
    return sorted(sorted(found, key=lambda n: abs(places[n] - expected) / 4 - pauses[n])[:MOST_TRIED])


def _cost(path: _Path, share: float, spoken: float, speech: float, skipping_all: float) -> float:
    """The cost of a path with one more step; infinite if the words in between would be spoken too quickly."""
    expected, took = (share - path.share) * speech / RATE, (spoken - path.spoken) / RATE
    if took < QUICKEST * expected:
        return inf
    return path.cost + skipping_all - path.skipped_cost + (took - expected) ** 2 / (expected + SETTLING_S)


def _matches(path: _Path | None) -> Iterator[Match]:
    """From the last match back to the first."""
    while path is not None and path.before is not None:
        yield Match(path.end, path.pause)
        path = path.before
