"""Checks of photographs before anything starts; all of them, so that one run of a command reports every problem."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from client.errors import ClientError

MAX_BYTES = 25 * 1024 * 1024
MAX_PIXELS = 50_000_000
TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


class PictureError(ClientError):
    """Some pictures cannot be used; `problems` has a line for each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems), "Replace or omit these files and run the command again.")
        self.problems = problems


@dataclass(frozen=True)
class Photograph:
    path: Path
    content_type: str
    width: int
    height: int


def expand(given: Iterable[Path]) -> list[Path]:
    """The files, with folders replaced by their pictures in natural order (2 before 10). Raises PictureError."""
    files: list[Path] = []
    problems: list[str] = []
    for path in given:
        if not path.is_dir():
            files.append(path)
            continue
        inside = [p for p in path.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith(".")]
        if not inside:
            problems.append(f"{path}: this folder has no JPEG, PNG or WebP pictures.")
        files += sorted(inside, key=lambda p: _natural(p.name))
    if problems:
        raise PictureError(problems)
    return files


def check(paths: Iterable[Path]) -> list[Photograph]:
    """Decode every picture completely. Raises PictureError with all that are missing, damaged or too large."""
    found: list[Photograph] = []
    problems: list[str] = []
    for path in paths:
        try:
            found.append(_decode(path))
        except ClientError as e:
            problems.append(f"{path}: {e.message}")
    if problems:
        raise PictureError(problems)
    return found


def _decode(path: Path) -> Photograph:
    from PIL import Image, UnidentifiedImageError  # here, since most commands need no pictures

    try:
        if path.stat().st_size > MAX_BYTES:
            raise ClientError(f"larger than {MAX_BYTES // 1024**2} MiB.")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the size, which we check ourselves
            with Image.open(path) as image:
                if image.format not in TYPES:
                    raise ClientError(f"{image.format} is not supported; convert it to JPEG, PNG or WebP.")
                if image.width * image.height > MAX_PIXELS:
                    raise ClientError(f"{image.width} x {image.height} is more than 50 megapixels.")
                image.load()
                return Photograph(path, TYPES[image.format], image.width, image.height)
    except FileNotFoundError:
        raise ClientError("no such file.") from None
    except UnidentifiedImageError:
        raise ClientError("not a readable picture (JPEG, PNG or WebP).") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as e:
        reason = getattr(e, "strerror", None) or str(e)
        raise ClientError(f"damaged or unreadable ({reason}).") from e


def _natural(name: str) -> list[tuple[int, int, str]]:
    return [(0, int(p), "") if p.isdigit() else (1, 0, p.lower()) for p in re.split(r"(\d+)", name) if p]
