"""Splits a script into captions: sentences, cut where a reader would pause, on at most two lines that fit the picture.

Widths are in Latin letters: a Chinese, Japanese or Korean character has the width, and the speaking time, of `WIDE`
Latin letters; a combining mark has none.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, pairwise
from typing import Final

from shared.media.language import DEFAULT, guess_language
from shared.media.sentences import break_opportunities, sentences
from shared.media.speech_marks import speech_text

LINE: Final = 42.0  # letters per line: broadcasters' guidelines agree on this for Latin scripts
WIDE: Final = LINE / 16  # the same guidelines allow 16 characters on a Chinese or Korean line
SHORT: Final = 14.0  # a shorter sentence is shown together with its neighbour if both fit on one line

_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u2028\u2029]")
_CLAUSE: Final = frozenset(",;:–—،؛、，；：")
_NEVER_FIRST: Final = frozenset("、。，．！？；：」』）】》〉”’…ーぁぃぅぇぉっゃゅょァィゥェォッャュョ,.!?;:)]}")
_UNSPACED: Final = ((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0xA9E0, 0xA9FF), (0xAA60, 0xAA7F))
_JOINER: Final = "\u200d"  # joins the two emoji around it into one
_ENDS: Final = "。．.！!？?…」』》〉”’)]）】\"'"
_NEVER_LAST: Final = frozenset("「『（【《〈“‘([{")


@dataclass(frozen=True)
class Block:
    """The text that is shown at one time. `ends_sentence`: a speaker pauses after it."""

    lines: tuple[str, ...]
    ends_sentence: bool
    language: str = DEFAULT

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def weight(self) -> float:
        """How long it takes to say, in Latin letters."""
        return max(1.0, sum(map(_spoken, self.text)))

    @property
    def breaks(self) -> tuple[tuple[float, bool], ...]:
        """The weight up to each place where a speaker pauses (True, at the end of a sentence) or may pause (False)."""
        text = " ".join(self.lines)
        inner: list[float] = []
        if any(c not in _CLAUSE and unicodedata.category(c) == "Po" for c in text.rstrip(_ENDS)):
            *inner, _ = [sum(map(_spoken, s)) for s in sentences(text, self.language)] or [0.0]
        within = tuple((weight, True) for weight in accumulate(inner))
        if self.ends_sentence or self.text[-1] in _CLAUSE:
            return (*within, (self.weight, self.ends_sentence))
        return within


def blocks(script: str, language: str | None = None, line: float = LINE) -> list[Block]:
    """The script's blocks in order, with all of its words; none for a script without words. `language`: a BCP 47 tag,
    else guessed; `line`: the letters of a line."""
    text = _CONTROLS.sub(" ", speech_text(script))
    tag = language or guess_language(text)
    found: list[Block] = []
    for sentence in _grouped(sentences(text, tag), line):
        parts = _parts(sentence, tag, line)
        found += [Block(_lines(p, tag, line), i == len(parts) - 1, tag) for i, p in enumerate(parts)]
    return found


def width(text: str) -> float:
    return sum(map(_width, text))


@cache
def _width(letter: str) -> float:
    if unicodedata.combining(letter) or unicodedata.category(letter) in ("Mn", "Me", "Cf"):
        return 0.0
    return WIDE if unicodedata.east_asian_width(letter) in "WF" else 1.0


@cache
def _spoken(letter: str) -> float:
    """Speaking time in letters: digits are spoken as words; punctuation and spaces take no time."""
    kind = unicodedata.category(letter)[0]
    if kind == "N":
        return max(3.0, _width(letter))
    return _width(letter) if kind in "LS" else 0.0


def _grouped(sentences: Sequence[str], line: float) -> list[str]:
    """Short sentences joined with the one before, so that none flashes by."""
    groups: list[str] = []
    for sentence in sentences:
        if groups and min(width(groups[-1]), width(sentence)) < SHORT:
            both = groups[-1] + ("" if _is_wide(groups[-1][-1]) else " ") + sentence
            if width(both) <= line:
                groups[-1] = both
                continue
        groups.append(sentence)
    return groups


def _parts(sentence: str, language: str, line: float) -> list[str]:
    """The sentence in as few parts of two lines as possible, cut at clauses if possible, else into equal lengths."""
    units = _units(sentence, language, line)
    ends = list(accumulate(map(width, units), initial=0.0))
    fewest, whole = 10_000.0, ends[-1]
    ideal = whole / max(1, -(-int(whole) // int(1.8 * line)))
    best: list[tuple[float, int]] = [(0.0, 0)] + [(float("inf"), 0)] * len(units)
    for stop in range(1, len(units) + 1):
        for start in range(stop - 1, -1, -1):
            if stop - start > 1 and not _fits(units, ends, start, stop, line):
                break
            long = ends[stop] - ends[start]
            cost = best[start][0] + fewest + (long - ideal) ** 2 + 60 * _roughness(units, stop) ** 2
            best[stop] = min(best[stop], (cost, start))
    cuts, at = [len(units)], len(units)
    while at:
        at = best[at][1]
        cuts.append(at)
    cuts.reverse()
    return ["".join(units[a:b]).strip() for a, b in pairwise(cuts)]


def _fits(units: Sequence[str], ends: Sequence[float], start: int, stop: int, line: float) -> bool:
    """True if the units fit on two lines. A space at the end of a line has no width, so one letter more is allowed."""
    first = bisect_right(ends, ends[start] + line + 1) - 1
    first = max(first, start + 1)
    return first >= stop or ends[stop] - ends[first] <= line + (1 if units[stop - 1].endswith(" ") else 0)


def _lines(text: str, language: str, line: float) -> tuple[str, ...]:
    """One line, or two of which the lower one is slightly longer, which covers less of the picture."""
    if width(text) <= line:
        return (text,)
    units = _units(text, language, line)
    ways = []
    for at in range(1, len(units)):
        upper, lower = "".join(units[:at]).strip(), "".join(units[at:]).strip()
        a, b = width(upper), width(lower)
        over = max(0.0, a - line) + max(0.0, b - line)
        ways.append((over * 1000 + abs(b - a - 2) + 3 * _roughness(units, at), upper, lower))
    return min(ways)[1:] if ways else (text,)


def _roughness(units: Sequence[str], at: int) -> int:
    """The cost of a line break before unit `at`: 0 at the end of a clause, 4 within a possible Japanese word."""
    if at == len(units) or units[at - 1].rstrip()[-1:] in _CLAUSE:
        return 0
    last, first = units[at - 1][-1], units[at][0]
    after_particle = "\u3041" <= last <= "\u309f" and not "\u3041" <= first <= "\u309f"
    return 4 if _is_wide(last) and not after_particle else 3


def _units(text: str, language: str, line: float) -> list[str]:
    """The text in units between which a line may be broken; a word that is longer than a line is broken as well."""
    units: list[str] = []
    word = ""
    breaks = set(accumulate(map(len, break_opportunities(text, language))))
    for i, letter in enumerate(text):
        word += letter
        after = text[i + 1 : i + 2]
        if not after or _joins(after) or (letter == _JOINER and width(word) < line - 2):
            continue
        allowed = letter == " " or (
            i + 1 in breaks
            and (_is_unspaced(letter) or _is_unspaced(after))
            and after not in _NEVER_FIRST
            and letter not in _NEVER_LAST
            and after != " "
        )
        if allowed or (after != " " and width(word) >= line - 2):
            units.append(word)
            word = ""
    return [*units, word] if word else units


def _is_unspaced(letter: str) -> bool:
    """True in scripts that write no spaces between words: East Asian ones, Thai, Lao, Burmese, Khmer."""
    code = ord(letter)
    return _is_wide(letter) or any(first <= code <= last for first, last in _UNSPACED)


def _is_wide(letter: str) -> bool:
    return unicodedata.east_asian_width(letter) in "WF"


def _joins(letter: str) -> bool:
    """True if the character belongs to the one before it: a mark, a joiner, a variation selector, a skin tone."""
    return _width(letter) == 0.0 or 0x1F3FB <= ord(letter) <= 0x1F3FF
