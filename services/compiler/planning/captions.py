"""Captions: the narrations of a film in readable blocks, each shown while it is heard.

The blocks of a narration share its time in proportion to how long they take to say. Pauses in the sound are not speech;
sentences end in the pauses that fit them best (`sentence_alignment`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import Final

from services.compiler.planning.caption_text import LINE, Block, blocks, width
from services.compiler.planning.sentence_alignment import ScriptBreak, align_sentences
from services.compiler.planning.sound_plan import RATE, Spoken

MS: Final = RATE // 1000  # samples
FASTEST: Final = 17.0  # letters a second: a speed that everyone can read
LINGER_MS: Final = 300  # after the last word, if no caption follows
LATEST_MS: Final = 1500  # the longest that a block stays after its last word, for slow readers
SHORTEST_MS: Final = 100  # at the end of a film: anything shorter is a flash


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
    line: float = LINE,
) -> tuple[Caption, ...]:
    """The film's captions of at most two lines of `line` letters, ascending and without overlaps. `scripts` and
    `pauses` by segment id.

    A pause is a span of samples, counted from the narration's first audible sample; `samples` is the film's length.
    """
    found: list[Caption] = []
    for voice in sorted(spoken, key=lambda s: s.at):
        script = blocks(scripts.get(voice.segment_id, ""), line=line)
        whole = voice.whole or voice.length
        timed = _timed(script, [p for p in pauses.get(voice.segment_id, ()) if 0 < p[0] < p[1] < whole], whole)
        for block, start, end in timed:
            begins, ends = voice.at + start, voice.at + min(end, voice.length)
            if start < voice.length:  # the rest is cut off by the end of the film
                found.append(Caption(begins // MS, ends // MS, block.lines))
    return _readable(found, samples // MS)


def _timed(script: Sequence[Block], pauses: Sequence[tuple[int, int]], length: int) -> list[tuple[Block, int, int]]:
    """Each block with the span in which it is spoken, in samples of the narration."""
    if not script:
        return []
    silent = [0, *accumulate(stop - start for start, stop in pauses)]
    places = [start - before for (start, _), before in zip(pauses, silent, strict=False)]  # in speech without pauses
    speech = length - silent[-1]
    weights = list(accumulate((block.weight for block in script), initial=0.0))
    breaks = [
        (start + weight, is_sentence)
        for start, block in zip(weights, script, strict=False)
        for weight, is_sentence in block.breaks
        if start + weight < weights[-1]
    ]
    script_breaks = [ScriptBreak(weight / weights[-1], is_sentence) for weight, is_sentence in breaks]
    matches = align_sentences(script_breaks, [stop - start for start, stop in pauses], places, speech)
    pause_of = {breaks[match.end][0]: match.pause for match in matches}
    # (weight of the script, samples of speech) at both ends and at each match.
    known = [(0.0, 0), *((weight, places[pause]) for weight, pause in pause_of.items()), (weights[-1], speech)]
    borders: list[tuple[int, int]] = [(0, 0)]  # where one block ends and the next begins
    for weight in weights[1:-1]:
        if weight in pause_of:
            borders.append(pauses[pause_of[weight]])
            continue
        (left, left_place), (right, right_place) = next(p for p in pairwise(known) if p[0][0] <= weight <= p[1][0])
        place = left_place + round((right_place - left_place) * (weight - left) / (right - left))
        at = place + sum(stop - start for (start, stop), p in zip(pauses, places, strict=True) if p < place)
        at = max(at, borders[-1][1] + 1)
        borders.append((at, at))
    borders.append((length, length))
    return [(b, begin[1], max(end[0], begin[1] + 1)) for b, (begin, end) in zip(script, pairwise(borders), strict=True)]


def _readable(found: Sequence[Caption], film_ms: int) -> tuple[Caption, ...]:
    """Each stays as long as a reader needs if there is time before the next one; none extends past the film's end."""
    shown: list[Caption] = []
    for i, caption in enumerate(found):
        free = found[i + 1].start if i + 1 < len(found) else film_ms
        needs = caption.start + round(sum(map(width, caption.lines)) / FASTEST * 1000)
        end = min(max(caption.end + LINGER_MS, min(needs, caption.end + LATEST_MS)), free, film_ms)
        if end - caption.start >= SHORTEST_MS:
            shown.append(replace(caption, end=end))
    return tuple(shown)
