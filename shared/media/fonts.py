"""The fonts of captions and cards: which file a character is set in, and how wide a line becomes."""

from __future__ import annotations

import importlib.util
import os
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Final

from PIL import ImageFont

LATIN_FAMILY: Final = "DejaVu Sans"
CJK_FAMILY: Final = "Noto Sans CJK TC Regular"  # as libass reads the file's name
# Height of a line (the Windows ascent and descent) by which libass scales fonts, in em.
LATIN_HEIGHT, CJK_HEIGHT = 1.164, 1.48
FOLDERS: Final = ("/usr/share/fonts", "/usr/local/share/fonts", "~/.fonts", "~/.local/share/fonts",
                  "/System/Library/Fonts", "/Library/Fonts", "~/Library/Fonts")  # fmt: skip
"""Where fontconfig looks by default, and macOS."""

_CJK_PACKAGE: Final = "cvttf_NotoSansCJK_Regular"
_CJK_FILE: Final = "NotoSansCJKtc-Regular.otf"
_LATIN_FILE: Final = "DejaVuSans.ttf"
_EM: Final = 200  # pixels at which widths are measured
_UNKNOWN: Final = 0.65  # em: a letter whose font is not known here, as wide as a wide one of DejaVu Sans


@lru_cache(maxsize=1)
def cjk_font() -> Path | None:
    """The font file for Chinese, Japanese and Korean that comes with Retake; None if its package is not installed."""
    package = importlib.util.find_spec(_CJK_PACKAGE)
    path = Path(package.origin).with_name(_CJK_FILE) if package and package.origin else None
    return path if path and path.is_file() else None


@lru_cache(maxsize=1)
def latin_font() -> Path | None:
    """DejaVu Sans, if the machine has it."""
    for folder in FOLDERS:
        for parent, _, names in os.walk(Path(folder).expanduser()):
            if _LATIN_FILE in names:
                return Path(parent, _LATIN_FILE)
    return None


def is_cjk(character: str) -> bool:
    """Whether a character is set in the font for Chinese, Japanese and Korean: those scripts and their punctuation."""
    return unicodedata.east_asian_width(character) in "WF" and not _is_emoji(character)


def _is_emoji(character: str) -> bool:
    return ord(character) >= 0x1F000 and not 0x20000 <= ord(character) <= 0x3FFFF


def runs(text: str) -> Iterator[tuple[str, bool]]:
    """The text in runs of one font: (run, whether it is Chinese, Japanese or Korean)."""
    begin = 0
    for end in range(1, len(text) + 1):
        if end == len(text) or (text[end] != " " and is_cjk(text[end]) is not is_cjk(text[begin])):
            yield text[begin:end], is_cjk(text[begin])
            begin = end


def width_em(line: str) -> float:
    """The width of a line in em of its letters, as FreeType measures it in the fonts that draw it. Blocks."""
    return sum(_run_width(run, cjk) for run, cjk in runs(line))


def _run_width(run: str, cjk: bool) -> float:
    font = _measuring(cjk)
    if font is None:
        return sum(1.0 if cjk else _UNKNOWN for letter in run if not unicodedata.combining(letter))
    if not run.isascii() and not cjk:
        known = "".join(letter for letter in run if ord(letter) < 0x0590)  # what DejaVu Sans has: Latin to Armenian
        others = [letter for letter in run if ord(letter) >= 0x0590 and not _is_mark(letter)]
        return font.getlength(known) / _EM + sum(1.2 if _is_emoji(c) else _UNKNOWN for c in others)
    return font.getlength(run) / _EM


def _is_mark(letter: str) -> bool:
    return unicodedata.category(letter) in ("Mn", "Me", "Cf")


@lru_cache(maxsize=2)
def _measuring(cjk: bool) -> ImageFont.FreeTypeFont | None:
    path = cjk_font() if cjk else latin_font() or cjk_font()
    return ImageFont.truetype(str(path), _EM) if path else None
