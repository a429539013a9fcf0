"""Captions: what is said in a film, in readable blocks, each shown while it is really heard.

A narration's blocks share its time by how long they take to say; pauses in its sound are not speech, and sentences end
in those that fit them best (`breaths`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import Final

from services.compiler.planning.caption_text import Block, blocks, width
from services.compiler.planning.sentence_alignment import ScriptBreak, align_sentences
from services.compiler.planning.sound_plan import RATE, Spoken

MS: Final = RATE // 1000  # samples
FASTEST: Final = 17.0  # letters a second that everyone can read
LINGER_MS: Final = 300  # after the last word, where nothing follows
LATEST_MS: Final = 1500  # the most that a block lingers for slow readers
SHORTEST_MS: Final = 100  # of a film's last moments: anything less is a flash


@dataclass(frozen=True)
class Caption:
    """Shown from `start` until `end`, in milliseconds of the film."""

    start: int
    end: int
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


def captions(
    scripts: Mapping[str, str],
    spoken: Iterable[Spoken],
    pauses: Mapping[str, Sequence[tuple[int, int]]],
    samples: int,
) -> tuple[Caption, ...]:
    """Ascending, never two at once, none past the film's end. Scripts and pauses by segment id.

    A pause is a span of samples counted from the narration's first audible one; `samples` is the film's length.
    """
    found: list[Caption] = []
    for voice in sorted(spoken, key=lambda s: s.at):
        script = blocks(scripts.get(voice.segment_id, ""))
        whole = voice.whole or voice.length
        timed = _timed(script, [p for p in pauses.get(voice.segment_id, ()) if 0 < p[0] < p[1] < whole], whole)
        for block, start, end in timed:
            begins, ends = voice.at + start, voice.at + min(end, voice.length)
            if start < voice.length:  # the rest is cut off by the film's end
                found.append(Caption(begins // MS, ends // MS, block.lines))
    return _readable(found, samples // MS)


def _timed(script: Sequence[Block], pauses: Sequence[tuple[int, int]], length: int) -> list[tuple[Block, int, int]]:
    """Each block with the span in which it is said, in samples of the narration."""
    if not script:
        return []
    silent = [0, *accumulate(stop - start for start, stop in pauses)]
    places = [start - before for (start, _), before in zip(pauses, silent, strict=False)]  # in speech without pauses
    speech = length - silent[-1]
    weights = list(accumulate((block.weight for block in script), initial=0.0))
    ends = [(at + said, sure) for at, b in zip(weights, script, strict=False) for said, sure in b.breaths]
    ends = [(weight, sure) for weight, sure in ends if weight < weights[-1]]
    asked = [ScriptBreak(weight / weights[-1], sure) for weight, sure in ends]
    found = align_sentences(asked, [stop - start for start, stop in pauses], places, speech)
    taken = {ends[breath.end][0]: breath.pause for breath in found}
    # How much of the script has been said after how much of the speech: known at both ends and at each breath.
    known = [(0.0, 0), *((end, places[pause]) for end, pause in taken.items()), (weights[-1], speech)]
    borders: list[tuple[int, int]] = [(0, 0)]  # where one block ends and the next begins
    for weight in weights[1:-1]:
        if weight in taken:
            borders.append(pauses[taken[weight]])
            continue
        (told, said), (next_told, next_said) = next(p for p in pairwise(known) if p[0][0] <= weight <= p[1][0])
        place = said + round((next_said - said) * (weight - told) / (next_told - told))
        at = place + sum(stop - start for (start, stop), p in zip(pauses, places, strict=True) if p < place)
        at = max(at, borders[-1][1] + 1)
        borders.append((at, at))
    borders.append((length, length))
    return [(b, begin[1], max(end[0], begin[1] + 1)) for b, (begin, end) in zip(script, pairwise(borders), strict=True)]


def _readable(found: Sequence[Caption], film_ms: int) -> tuple[Caption, ...]:
    """Each stays as long as a reader needs, where there is time before the next; none outlives the film."""
    shown: list[Caption] = []
    for i, caption in enumerate(found):
        free = found[i + 1].start if i + 1 < len(found) else film_ms
        needs = caption.start + round(sum(map(width, caption.lines)) / FASTEST * 1000)
        end = min(max(caption.end + LINGER_MS, min(needs, caption.end + LATEST_MS)), free, film_ms)
        if end - caption.start >= SHORTEST_MS:
            shown.append(replace(caption, end=end))
    return tuple(shown)
