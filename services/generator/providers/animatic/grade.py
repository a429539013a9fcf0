"""Colour grades that directions name ("warmer", "darker", "black and white"), applied once to the photograph.

Only comparatives and names of looks count: "a warm cup in a dark room" describes the picture, not its grade. As with
moves, a later line overrides an earlier one that names the opposite.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from PIL import Image, ImageEnhance

from services.generator.providers.animatic.vocabulary import NOT, TOO, words


@dataclass(frozen=True)
class Grade:
    """Values from -1 to 1; 0 changes nothing. `colour` -1 is black and white."""

    warmth: float = 0.0
    light: float = 0.0
    contrast: float = 0.0
    colour: float = 0.0
    sepia: bool = False


_STEP = 0.5


@dataclass(frozen=True)
class _GradeWords:
    """The words for one direction of a field; `plain` is the adjective that "too" reverses."""

    field: str
    sign: int
    pattern: re.Pattern[str]
    plain: re.Pattern[str]


def _grade_words(field: str, sign: int, pattern: str, chinese: str, plain: str) -> _GradeWords:
    return _GradeWords(field, sign, words("|".join(pattern.split()), chinese), words(plain))


# Alternatives are separated by spaces, so a space within one is written as \s+.
_GRADES = (
    _grade_words(
        "warmth", 1, r"warmer wärmer más\s+cálid\w+ plus\s+chaud\w* più\s+cald\w+ теплее", "更暖|暖一点|暖色",
        r"cold|cool|kalt|frí[oa]|froid\w*|fredd\w+",
    ),
    _grade_words(
        "warmth", -1, r"cooler colder kühler kälter más\s+fr[ií]\w+ plus\s+froid\w* più\s+fredd\w+ холоднее",
        "更冷|冷一点|冷色", r"warm|cálid\w+|chaud\w*|cald\w+",
    ),
    _grade_words(
        "light", 1, r"brighter lighter heller más\s+(?:clar|luminos)\w+ plus\s+(?:clair|lumineux)\w* светлее ярче",
        "更亮|亮一点", r"dark|dunkel|oscur\w+|sombre|тёмно|темно",
    ),
    _grade_words(
        "light", -1, r"darker dimmer moodier dunkler düsterer más\s+oscur\w+ plus\s+sombre\w* темнее мрачнее",
        "更暗|暗一点", r"bright|light|hell|clar[oa]|clair\w*|светло|ярко",
    ),
    _grade_words(
        "contrast", 1, r"more\s+contrast\w* mehr\s+kontrast más\s+contraste plus\s+de\s+contraste контрастнее",
        "对比更强", r"flat|flach|plat",
    ),
    _grade_words(
        "contrast", -1, r"less\s+contrast\w* weniger\s+kontrast menos\s+contraste moins\s+de\s+contraste",
        "对比更弱", r"harsh|contrasty|hart",
    ),
    _grade_words(
        "colour", 1, r"more\s+(?:vivid|colou?r\w*|saturat\w+) farbiger más\s+color plus\s+de\s+couleur\w* насыщеннее",
        "更鲜艳", r"pale|gr[ae]y|blass|pâle",
    ),
    _grade_words(
        "colour", -1, r"muted less\s+(?:colou?r\w*|saturat\w+|vivid) desaturat\w+ blasser menos\s+color", "淡一点",
        r"colou?rful|saturated|vivid|bunt",
    ),
)  # fmt: skip
_MONOCHROME = words(
    r"black\s+and\s+white|monochrome|gr[ae]yscale|schwarz\s*weiß|schwarzweiß|blanco\s+y\s+negro|noir\s+et\s+blanc"
    r"|bianco\s+e\s+nero|preto\s+e\s+branco|ч[её]рно\s*бел\w+",
    r"黑白",
)
_SEPIA = words(r"sepia|sépia|сепия", r"怀旧色调")


def read_grade(text: str) -> Grade:
    """The combined grade of the lines of `text`."""
    grade = Grade()
    for line in text.casefold().replace("-", " ").splitlines():
        for entry in _GRADES:
            for match in entry.pattern.finditer(line):
                turned = -1 if NOT.search(line[: match.start()]) else 1
                grade = _moved(grade, entry.field, entry.sign * turned)
            if any(TOO.search(line[: match.start()]) for match in entry.plain.finditer(line)):
                grade = _moved(grade, entry.field, entry.sign)
        for match in _MONOCHROME.finditer(line):
            grade = replace(grade, colour=0.0 if NOT.search(line[: match.start()]) else -1.0, sepia=False)
        for match in _SEPIA.finditer(line):
            grade = replace(grade, sepia=not NOT.search(line[: match.start()]))
    return grade


def _moved(grade: Grade, field: str, sign: int) -> Grade:
    value = float(getattr(grade, field))
    moved = sign * _STEP if value * sign <= 0 else value + sign * _STEP / 2
    changed: dict[str, Any] = {field: min(1.0, max(-1.0, moved))}
    return replace(grade, **changed)


def apply_grade(photo: Image.Image, grade: Grade) -> Image.Image:
    """The graded photograph (RGB)."""
    if grade == Grade():
        return photo
    if grade.light:
        gamma = 2 ** (-0.9 * grade.light)  # a gamma curve: black and white stay unchanged
        photo = photo.point([round(255 * (v / 255) ** gamma) for v in range(256)] * 3)
    if grade.contrast:
        photo = ImageEnhance.Contrast(photo).enhance(1 + 0.45 * grade.contrast)
    if grade.colour or grade.sepia:
        photo = ImageEnhance.Color(photo).enhance(
            0.0 if grade.sepia else 1 + (0.8 if grade.colour > 0 else 1) * grade.colour
        )
    red, blue = 1 + 0.16 * grade.warmth, 1 - 0.2 * grade.warmth
    if grade.sepia:
        red, blue = 1.08, 0.74
    if red != 1 or blue != 1:
        photo = photo.convert("RGB", (red, 0, 0, 0, 0, 1, 0, 0, 0, 0, blue, 0))
    return photo
