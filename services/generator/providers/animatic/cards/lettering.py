"""Sets text in any script: one font for as much as possible, others for the rest. Reports characters that no font has.

Pillow's built-in font (English, the same on every machine) comes first, then the one for Chinese, Japanese and Korean
that comes with Retake, then the system's.
"""

from __future__ import annotations

import io
import struct
import subprocess
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from services.generator.providers.animatic.cards.coverage import covered
from shared.media.fonts import FOLDERS, cjk_font

# Plain faces first: display and symbol fonts are the last resort for a caption.
_PREFERRED = (
    "notosans", "dejavusans", "liberationsans", "opensans", "roboto", "helvetica", "arial", "pingfang", "hiragino",
    "wqy", "wenquanyi", "sourcehansans", "droidsans", "unifont",
)  # fmt: skip
_AVOIDED = (
    "emoji",
    "mono",
    "italic",
    "oblique",
    "condensed",
    "serif",
    "bold",
    "light",
    "thin",
    "black",
    "math",
    "symbol",
)


@dataclass(frozen=True)
class Face:
    """A font file and the index of a face; None is Pillow's built-in font."""

    path: str | None
    index: int = 0

    def font(self, size: int) -> ImageFont.FreeTypeFont:
        return _load(self, size)

    @cached_property
    def ranges(self) -> tuple[tuple[int, int], ...]:
        if self.path is None:
            built_in = _load(self, 10)
            return covered(io.BytesIO(built_in.font_bytes), 0)
        with open(self.path, "rb") as file:
            return covered(file, self.index)

    def has(self, character: str) -> bool:
        code = ord(character)
        return any(first <= code <= last for first, last in self.ranges)


@lru_cache(maxsize=64)
def _load(face: Face, size: int) -> ImageFont.FreeTypeFont:
    if face.path is None:
        font = ImageFont.load_default(size)
        assert isinstance(font, ImageFont.FreeTypeFont)
        return font
    return ImageFont.truetype(face.path, size, index=face.index)


def _system_faces() -> Iterator[Face]:
    """The packaged font, then the system's fonts, plain ones first."""
    found: set[tuple[str, int]] = set()
    try:
        listed = subprocess.run(
            ["fc-list", "--format", "%{file}\t%{index}\n"], capture_output=True, text=True, timeout=10, check=True
        ).stdout
        for line in listed.splitlines():
            path, _, index = line.partition("\t")
            found.add((path, int(index) if index.isdigit() and int(index) < 65_536 else 0))
    except (OSError, subprocess.SubprocessError):
        for folder in FOLDERS:
            found |= {(str(path), 0) for path in Path(folder).expanduser().rglob("*") if path.is_file()}
    fonts = [each for each in found if each[0].lower().endswith((".ttf", ".otf", ".ttc", ".otc"))]
    if packaged := cjk_font():
        yield Face(str(packaged))
    yield from (Face(*each) for each in sorted(fonts, key=_rank))


def _rank(font: tuple[str, int]) -> tuple[int, int, str]:
    name = Path(font[0]).stem.casefold().replace("-", "").replace("_", "")
    order = next((i for i, preferred in enumerate(_PREFERRED) if name.startswith(preferred)), len(_PREFERRED))
    return sum(word in name for word in _AVOIDED), order, font[0]


class Lettering:
    """Sets text with the available fonts, and collects the characters that none of them has."""

    def __init__(self, texts: str = "") -> None:
        """`texts` is everything that will be set: the face that covers most of it comes first, so that words are not
        mixed."""
        self._faces = [Face(None)]
        self._waiting = _system_faces()
        self._chosen: dict[str, Face | None] = {}
        self.missing: list[str] = []
        needed = {character for character in texts if not _is_invisible(character)}
        for character in sorted(needed):
            self._search(character)  # opens the required faces
        self._faces.sort(key=lambda face: -sum(face.has(character) for character in needed))

    def face_of(self, character: str) -> Face | None:
        """The first face that has the character. The system's faces are opened only when needed."""
        if character not in self._chosen:
            self._chosen[character] = self._search(character)
            if self._chosen[character] is None and not _is_invisible(character):
                self.missing.append(character)
        return self._chosen[character]

    def _search(self, character: str) -> Face | None:
        for face in self._faces:
            if face.has(character):
                return face
        for face in self._waiting:
            try:
                has = face.has(character)
            except (OSError, ValueError, struct.error):
                continue
            self._faces.append(face)
            if has:
                return face
        return None

    def runs(self, text: str) -> list[tuple[str, Face]]:
        """Runs of characters set in one face. Spaces and marks stay with the preceding character; unknown ones are
        dropped."""
        found: list[tuple[str, Face]] = []
        for character in text:
            joins = character.isspace() or unicodedata.combining(character) or _is_invisible(character)
            face = found[-1][1] if joins and found else self.face_of(character)
            if face is None:
                continue
            if found and found[-1][1] == face:
                found[-1] = (found[-1][0] + character, face)
            else:
                found.append((character, face))
        return found

    def width(self, text: str, size: int) -> float:
        return sum(face.font(size).getlength(run) for run, face in self.runs(text))

    def wrap(self, text: str, size: int, width: float, most: int) -> list[str]:
        """At most `most` lines, each no wider than `width`; text that does not fit is cut off with an ellipsis."""
        lines = [""]
        for piece in _pieces(text):
            if lines[-1] and self.width((lines[-1] + piece).rstrip(), size) > width:
                lines[-1] = lines[-1].rstrip()
                lines.append("")
            lines[-1] += piece.lstrip() if not lines[-1] else piece
            while self.width(lines[-1].rstrip(), size) > width and len(lines[-1].rstrip()) > 1:  # longer than a line
                cut = len(lines[-1]) - 1
                while cut > 1 and self.width(lines[-1][:cut], size) > width:
                    cut -= 1
                lines[-1:] = [lines[-1][:cut], lines[-1][cut:]]
        lines = [line.rstrip() for line in lines if line.strip()]
        if len(lines) > most:
            last = lines[most - 1]
            while last and self.width(last + "…", size) > width:
                last = last[:-1]
            lines = [*lines[: most - 1], last.rstrip(" ,.;:") + "…"]
        return lines

    def draw(self, image: Image.Image, at: tuple[float, float], text: str, size: int, colour: tuple[int, ...]) -> None:
        """One line with its baseline at `at`; every face on the same baseline."""
        pen = ImageDraw.Draw(image)
        x, y = at
        for run, face in self.runs(text):
            pen.text((x, y), run, font=face.font(size), fill=colour, anchor="ls")
            x += face.font(size).getlength(run)


def _is_invisible(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp", "Mn", "Me") or character.isspace()


def _is_dense(character: str) -> bool:
    """Whether the script allows line breaks between any two characters."""
    return unicodedata.east_asian_width(character) in ("W", "F") or 0x0E00 <= ord(character) <= 0x0EFF


# Marks that must not begin a line in Chinese and Japanese typesetting.
_NOT_FIRST = "，。、；：？！）」』】》〉”’…—・ー々"


def _pieces(text: str) -> list[str]:
    """Unbreakable units: words with the space after them, or single characters of scripts without spaces."""
    pieces: list[str] = []
    for character in " ".join(text.split()):
        dense = _is_dense(character)
        starts = dense and character not in _NOT_FIRST
        after_dense = bool(pieces) and _is_dense(pieces[-1][-1]) and character not in _NOT_FIRST
        after_space = bool(pieces) and pieces[-1].endswith(" ")
        if not pieces or starts or after_dense or (after_space and character != " "):
            pieces.append(character)
        else:
            pieces[-1] += character
    return pieces
