"""The language that a film is spoken in, and its code in an MP4 track (ISO 639-2/T)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from shared.media.language import language_of

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
    """The BCP 47 language that most of the text is in; None if undetermined. Narrations: (script, setting).

    A setting that names a language counts. The language of the other scripts is decided over all of them together;
    only a long one may differ.
    """
    letters_by_tag: Counter[str] = Counter()
    untold: list[str] = []
    for script, setting in narrations:
        tag = (setting or "").strip().replace("_", "-")
        if three_letters(tag) == UNKNOWN:
            untold.append(script)
        else:
            letters_by_tag[tag] += _letters(script) + 1
    for script in untold:
        if letters := _letters(script):
            letters_by_tag[language_of(script, untold).language] += letters + 1
    return max(letters_by_tag, key=letters_by_tag.__getitem__, default=None)


def _letters(script: str) -> int:
    return sum(c.isalpha() for c in script)


def three_letters(tag: str | None) -> str:
    """The code for a tag's first part; three-letter codes stay as they are. `UNKNOWN` for an unlisted language."""
    language = (tag or "").partition("-")[0].lower()
    other = language if len(language) == 3 and language.isascii() and language.isalpha() else UNKNOWN
    return _THREE.get(language, other)
