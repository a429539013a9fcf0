"""Which language a script is in, as far as its letters tell, and how an MP4 track names it (ISO 639-2/T)."""

from __future__ import annotations

import unicodedata
from collections import Counter
from typing import Final

# The script of a letter is the first word of its Unicode name.
_BY_SCRIPT: Final = {
    "HIRAGANA": "ja", "KATAKANA": "ja", "HANGUL": "ko", "CJK": "zh", "ARABIC": "ar", "HEBREW": "he", "THAI": "th",
    "DEVANAGARI": "hi", "BENGALI": "bn", "TAMIL": "ta", "TELUGU": "te", "GREEK": "el", "GEORGIAN": "ka",
    "ARMENIAN": "hy", "CYRILLIC": "ru",
}  # fmt: skip
_THREE: Final = {
    "ar": "ara", "bg": "bul", "bn": "ben", "ca": "cat", "cs": "ces", "da": "dan", "de": "deu", "el": "ell",
    "en": "eng", "es": "spa", "et": "est", "fa": "fas", "fi": "fin", "fr": "fra", "he": "heb", "hi": "hin",
    "hr": "hrv", "hu": "hun", "hy": "hye", "id": "ind", "it": "ita", "ja": "jpn", "ka": "kat", "ko": "kor",
    "lt": "lit", "lv": "lav", "nb": "nob", "nl": "nld", "no": "nor", "pl": "pol", "pt": "por", "ro": "ron",
    "ru": "rus", "sk": "slk", "sl": "slv", "sv": "swe", "ta": "tam", "te": "tel", "th": "tha", "tr": "tur",
    "uk": "ukr", "vi": "vie", "zh": "zho",
}  # fmt: skip


def guess(text: str) -> str | None:
    """A BCP 47 language; None for Latin letters, which too many share. Any kana makes Chinese characters Japanese."""
    letters = Counter(unicodedata.name(c, "").partition(" ")[0] for c in text if c.isalpha())
    if letters["HIRAGANA"] + letters["KATAKANA"]:
        letters["HIRAGANA"] += letters.pop("CJK", 0)
    most = max(letters, key=letters.__getitem__, default="")
    return _BY_SCRIPT.get(most)


def three_letters(tag: str | None) -> str:
    """`und` for what has no row here."""
    return _THREE.get((tag or "").partition("-")[0].lower(), "und")
