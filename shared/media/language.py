"""Guesses the language of a text from its script and its most common words, to choose a voice or to label a track."""

from __future__ import annotations

import re
from collections import Counter

# First and last code point of a block, and the language that it indicates. Source: the block names of Unicode 16.
_SCRIPTS: tuple[tuple[int, int, str], ...] = (
    (0x0041, 0x024F, "latin"), (0x1E00, 0x1EFF, "latin"), (0x0370, 0x03FF, "el"), (0x1F00, 0x1FFF, "el"),
    (0x0400, 0x052F, "cyrillic"), (0x0530, 0x058F, "hy"), (0x0590, 0x05FF, "he"), (0x0600, 0x06FF, "arabic"),
    (0x0750, 0x077F, "arabic"), (0xFB50, 0xFDFF, "arabic"), (0xFE70, 0xFEFF, "arabic"), (0x0900, 0x097F, "hi"),
    (0x0980, 0x09FF, "bn"), (0x0A00, 0x0A7F, "pa"), (0x0A80, 0x0AFF, "gu"), (0x0B00, 0x0B7F, "or"),
    (0x0B80, 0x0BFF, "ta"), (0x0C00, 0x0C7F, "te"), (0x0C80, 0x0CFF, "kn"), (0x0D00, 0x0D7F, "ml"),
    (0x0D80, 0x0DFF, "si"), (0x0E00, 0x0E7F, "th"), (0x1000, 0x109F, "my"), (0x10A0, 0x10FF, "ka"),
    (0x1200, 0x139F, "am"), (0x13A0, 0x13FF, "chr"), (0x1100, 0x11FF, "ko"), (0xAC00, 0xD7AF, "ko"),
    (0x3040, 0x30FF, "ja"), (0x31F0, 0x31FF, "ja"), (0x3400, 0x4DBF, "han"), (0x4E00, 0x9FFF, "han"),
    (0xF900, 0xFAFF, "han"), (0x20000, 0x323AF, "han"),
)  # fmt: skip

# Letters that only some languages of a script use.
_CYRILLIC_LETTERS = (("uk", "іїєґ"), ("be", "ў"), ("sr", "ђјљњћџ"), ("mk", "ѓќѕ"), ("kk", "әғқңұһ"), ("bg", ""))
_ARABIC_LETTERS = (("ur", "ٹڈڑےں"), ("fa", "پچژگ"))

# The most common short words of languages in the Latin alphabet, and letters that identify one.
_WORDS: dict[str, str] = {
    "en": "the and of to is in it that was for on with he she his her they this are at from as not be have you one",
    "de": "der die das und ist nicht ein eine einen dem den des mit auf für von zu im sich wird über es sie ich auch",
    "fr": "le la les et est un une des du dans que qui pas pour sur avec il elle nous vous au aux ce cette sont",
    "es": "el la los las y es un una de del que en no con por para su se al lo más como está son pero",
    "it": "il lo la gli le e è un una di del della che non con per su si al alla sono come più nel nella",
    "pt": "o a os as e é um uma de do da que em não com por para se ao mais como está são na no mas",
    "nl": "de het een en is van niet op met voor dat die zijn aan er ook maar wordt over naar bij uit hij",
    "sv": "och att det som en ett är på inte av för med till den har de om jag han hon från över",
    "da": "og det er en et på ikke af for med til den har de som jeg han hun fra at over sig",
    "nb": "og det er en et på ikke av for med til den har de som jeg han hun fra å over seg",
    "fi": "ja on ei se että hän oli kun mutta niin ovat myös joka tämä kuin yli ole",
    "pl": "i w na z się nie jest to że do jak ale po od za przez są był był nad",
    "cs": "a v na se je to že do jak ale po od za byl jsou nad není s z ve",
    "ro": "și în de la cu nu este un o pe care din mai sunt pentru să peste lui",
    "hu": "a az és hogy nem egy is van meg ez de volt mint már csak fölött",
    "tr": "ve bir bu da de için ile çok ne gibi var daha ama olarak üzerinde değil",
    "id": "dan yang di ke dari ini itu dengan untuk tidak ada pada dalam adalah akan",
    "ca": "el la els les i és un una de del que en no amb per al seu més com està són",
    "vi": "và của là không có một được trong cho người với những trên đã này",
    "hr": "i u na se je da su za od s kao nije ali po iz nad koji",
}  # fmt: skip
_LETTERS: dict[str, str] = {
    "de": "ß", "es": "ñ¿¡", "pt": "ãõ", "fr": "œç", "pl": "łąęśźż", "cs": "řěů", "tr": "ığş", "ro": "țșă",
    "hu": "őű", "vi": "ơưđạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹ", "sv": "å", "da": "æø", "nb": "æø", "ca": "·",
    "it": "ìò", "hr": "đćž",
}  # fmt: skip
_WORD_SETS = {language: frozenset(words.split()) for language, words in _WORDS.items()}


def guess_language(text: str) -> str:
    """A BCP 47 tag for the language of most of the text; "en" if it cannot be determined."""
    script = main_script(text)
    match script:
        case "latin" | "":
            return _latin(text)
        case "cyrillic":
            return _by_letters(text, _CYRILLIC_LETTERS, "ru")
        case "arabic":
            return _by_letters(text, _ARABIC_LETTERS, "ar")
        case "han":
            return "zh"
        case _:
            return script


def main_script(text: str) -> str:
    """The script of most letters, or "". Enough kana among Chinese characters makes the text Japanese."""
    counts = Counter(script for character in text if (script := _script(character)))
    if not counts:
        return ""
    if counts["han"] and counts["ja"] * 8 >= counts["han"]:
        return "ja"
    return counts.most_common(1)[0][0]


def _script(character: str) -> str:
    if not character.isalpha():
        return ""
    code = ord(character)
    return next((script for first, last, script in _SCRIPTS if first <= code <= last), "")


def _by_letters(text: str, table: tuple[tuple[str, str], ...], otherwise: str) -> str:
    lower = text.casefold()
    counts = {language: sum(lower.count(letter) for letter in letters) for language, letters in table if letters}
    best = max(counts, key=lambda language: counts[language])
    return best if counts[best] else otherwise


def _latin(text: str) -> str:
    lower = text.casefold()
    words = re.findall(r"[^\W\d_]+", lower)
    scores = {language: float(sum(word in known for word in words)) for language, known in _WORD_SETS.items()}
    for language, letters in _LETTERS.items():
        scores[language] += 1.5 * sum(lower.count(letter) for letter in letters)
    best = max(
        scores, key=lambda language: scores[language]
    )  # of equals the earlier one, which is the more common language
    return best if scores[best] else "en"
