"""Splits text into sentences and into the places where a line may be broken, by the rules of its language.

Sentences come from `sentencesplit`, which knows the abbreviations of its languages; for others from ICU (UAX 29), which
also breaks lines (UAX 14) and has dictionaries for scripts without spaces: Thai, Lao, Khmer, Burmese.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Final

from icu4py.breakers import LineBreaker, SentenceBreaker
from sentencesplit import Segmenter, list_languages

from shared.media.language import guess_language

LONGEST_LINE: Final = 20_000
"""Characters that are split at one time; longer lines are cut at spaces first, which bounds the time."""

# What follows a time of day belongs to it: a time zone, a day, a month. The segmenter takes it for a new sentence.
_TIME_OF_DAY: Final = re.compile(r"\d\s*[ap]\.\s?m\.\s*$", re.IGNORECASE)
_BELONGS_TO_TIME: Final = re.compile(
    r"(?:(?:Eastern|Central|Mountain|Pacific|Atlantic|Alaska|Hawaii|Greenwich|British|European|Indian|Japan|Local|"
    r"Moscow|China|Coordinated|Universal|[A-Z]\w+ (?:Standard|Daylight|Summer))\b.{0,30}?\b(?i:time)\b"
    r"|(?:Eastern|Central|Pacific)\b|(?:UTC|GMT|[A-Z]{1,4}T)\b"
    r"|(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day\b"
    r"|(?:January|February|March|April|May|June|July|August|September|October|November|December)\s+\d)"
)
_CLOSERS: Final = "」』”’）)]》〉\"'»"


def sentences(text: str, language: str | None = None) -> list[str]:
    """The sentences of each line, stripped, without lines that say nothing. `language`: a BCP 47 tag, else guessed."""
    tag = (language or guess_language(text)).split("-")[0].casefold()
    found: list[str] = []
    for line in text.splitlines():
        for piece in _bounded(" ".join(line.split())):
            found += _whole(_joined(_split(piece, tag)))
    return found


def break_opportunities(text: str, language: str | None = None) -> list[str]:
    """The text in pieces between which a line may end; joined they are the text."""
    return list(LineBreaker(text, (language or guess_language(text)).replace("-", "_")))


def _split(line: str, tag: str) -> list[str]:
    if not line:
        return []
    if tag in list_languages():
        found = [str(s) for s in _segmenter(tag).segment(line)]
        if "".join("".join(found).split()) == "".join(line.split()):  # nothing is lost or changed
            return found
    return list(SentenceBreaker(line, f"{tag}@ss=standard"))


def _joined(pieces: list[str]) -> Iterator[str]:
    sentence = ""
    for i, piece in enumerate(pieces):
        sentence += piece
        following = pieces[i + 1].lstrip() if i + 1 < len(pieces) else ""
        if _TIME_OF_DAY.search(sentence) and _BELONGS_TO_TIME.match(following):
            sentence = sentence.rstrip() + " "
            continue
        yield sentence
        sentence = ""


def _whole(pieces: Iterator[str]) -> list[str]:
    """Without pieces that say nothing: closing marks and dashes stay with the sentence before."""
    found: list[str] = []
    for piece in pieces:
        said = piece.strip()
        if any(c.isalnum() for c in said):
            found.append(said)
        elif said and found:
            found[-1] += said if said[0] in _CLOSERS else f" {said}"
    return found


def _bounded(line: str) -> Iterator[str]:
    while len(line) > LONGEST_LINE:
        at = line.rfind(" ", 1, LONGEST_LINE)
        at = at if at > 0 else LONGEST_LINE
        yield line[:at]
        line = line[at:].lstrip()
    yield line


@cache
def _segmenter(tag: str) -> Segmenter:
    return Segmenter(language=tag, clean=False)
