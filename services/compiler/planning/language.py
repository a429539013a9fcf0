"""Which language a film is spoken in, and how an MP4 track names it (ISO 639-2/T)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from shared.media.language import guess_language

UNKNOWN: Final = "und"

_THREE: Final = {
    "af": "afr", "am": "amh", "ar": "ara", "az": "aze", "be": "bel", "bg": "bul", "bn": "ben", "bs": "bos",
    "ca": "cat", "cmn": "zho", "cs": "ces", "cy": "cym", "da": "dan", "de": "deu", "el": "ell", "en": "eng",
    "eo": "epo", "es": "spa", "et": "est", "eu": "eus", "fa": "fas", "fi": "fin", "fr": "fra", "ga": "gle",
    "gl": "glg", "gu": "guj", "he": "heb", "hi": "hin", "hr": "hrv", "hu": "hun", "hy": "hye", "id": "ind",
    "is": "isl", "it": "ita", "ja": "jpn", "ka": "kat", "kk": "kaz", "km": "khm", "kn": "kan", "ko": "kor",
    "la": "lat", "lo": "lao", "lt": "lit", "lv": "lav", "mk": "mkd", "ml": "mal", "mn": "mon", "mr": "mar",
    "ms": "msa", "mt": "mlt", "my": "mya", "nb": "nob", "ne": "nep", "nl": "nld", "nn": "nno", "no": "nor",
    "or": "ori", "pa": "pan", "pl": "pol", "pt": "por", "ro": "ron", "ru": "rus", "si": "sin", "sk": "slk",
    "sl": "slv", "sq": "sqi", "sr": "srp", "sv": "swe", "sw": "swa", "ta": "tam", "te": "tel", "th": "tha",
    "tl": "tgl", "tr": "tur", "uk": "ukr", "ur": "urd", "uz": "uzb", "vi": "vie", "yue": "zho", "zh": "zho",
    "zu": "zul",
}  # fmt: skip


def spoken_language(narrations: Iterable[tuple[str, str | None]]) -> str | None:
    """The BCP 47 language that most is said in, of (script, language as set); None where nothing tells.

    What is set counts, unless it names no language; else the script is guessed from.
    """
    said: Counter[str] = Counter()
    for script, told in narrations:
        letters = sum(c.isalpha() for c in script)
        tag = (told or "").strip().replace("_", "-")
        if three_letters(tag) == UNKNOWN:
            tag = guess_language(script) if letters else ""
        if tag:
            said[tag] += letters + 1
    return max(said, key=said.__getitem__, default=None)


def three_letters(tag: str | None) -> str:
    """By the tag's first part; what is three letters already stays. `UNKNOWN` for what has no row here."""
    language = (tag or "").partition("-")[0].lower()
    other = language if len(language) == 3 and language.isascii() and language.isalpha() else UNKNOWN
    return _THREE.get(language, other)
