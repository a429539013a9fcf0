"""Checks of photographs before anything starts; all of them, so that one run of a command reports every problem."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from client.errors import ClientError
from client.file_types import PICTURES, content_type

MAX_BYTES = 80 * 1024 * 1024
MAX_PIXELS = 210_000_000  # as in the gateway
TYPES = {
    "JPEG": "image/jpeg",
    "MPO": "image/jpeg",  # a telephone's JPEG with a second picture behind it
    "PNG": "image/png",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "HEIF": "image/heic",
    "AVIF": "image/avif",
    "TIFF": "image/tiff",
    "BMP": "image/bmp",
}
_SUFFIXES = (
    ".jpg", ".jpeg", ".png", ".webp", ".gif", ".heic", ".heif", ".avif", ".tif", ".tiff", ".bmp", ".mpo",
)  # fmt: skip
_SCRIPTS = (".yaml", ".yml", ".json")
_LOOKED_AT = 1024  # pixels


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


def expand(given: Iterable[Path]) -> tuple[list[Path], list[str]]:
    """The files, with folders replaced by their pictures in natural order (2 before 10), and what was left out of them.

    What is a picture is decided by a file's content. Hidden files are left out without a word. Raises PictureError.
    """
    files: list[Path] = []
    left_out: list[str] = []
    problems: list[str] = []
    for path in given:
        if not path.is_dir():
            files.append(path)
            continue
        shown = sorted((p for p in path.iterdir() if not p.name.startswith(".")), key=lambda p: _natural(p.name))
        inside = [p for p in shown if _is_picture(p)]
        left_out += [f"{p} is {_other(p)}, and was left out." for p in shown if p not in inside]
        if not inside:
            problems.append(f"{path}: this folder has no pictures ({PICTURES}).")
        files += inside
    if problems:
        raise PictureError(problems)
    return files, left_out


def _is_picture(path: Path) -> bool:
    """Empty and unreadable files with a picture's name count, so that `check` reports them."""
    try:
        found = content_type(path) if path.is_file() else None
    except OSError:
        return path.suffix.lower() in _SUFFIXES
    if found is None:
        return path.is_file() and path.suffix.lower() in _SUFFIXES
    return found.startswith("image/")


def _other(path: Path) -> str:
    if path.is_dir():
        return "a folder"
    kind = (content_type(path) or "").partition("/")[0] if path.is_file() else ""
    return {"video": "a video", "audio": "sound"}.get(kind, f"no picture ({PICTURES})")


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


def _instead(path: Path) -> str:
    """How a file that is no picture is given, if we know what it is."""
    if path.suffix.lower() in _SCRIPTS:
        return "; a script is given by --script"
    if (content_type(path) or "").startswith("video/"):
        return "; a film is split into segments by: retake episode import"
    return ""


def _decode(path: Path) -> Photograph:
    from PIL import Image, UnidentifiedImageError  # here, since most commands need no pictures

    try:
        if path.stat().st_size > MAX_BYTES:
            raise ClientError(f"larger than {MAX_BYTES // 1024**2} MiB.")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the size, which we check ourselves
            with Image.open(path, formats=_formats()) as image:
                if image.format not in TYPES:
                    raise ClientError(f"{image.format} is not supported; convert it to JPEG or PNG.")
                if image.width * image.height > MAX_PIXELS:
                    raise _too_large(image.width, image.height)
                found = Photograph(path, TYPES[image.format], image.width, image.height)
                image.draft("RGB", (_LOOKED_AT, _LOOKED_AT))  # a JPEG at a fraction of its size, though all its data
                image.load()
                return found
    except FileNotFoundError:
        raise ClientError("no such file.") from None
    except UnidentifiedImageError:
        raise ClientError(f"not a readable picture ({PICTURES}){_instead(path)}.") from None
    except ClientError:
        raise
    except MemoryError:
        raise ClientError("needs more memory than this machine has.") from None
    except Exception as e:  # decoders raise anything
        reason = getattr(e, "strerror", None) or str(e)
        raise ClientError(f"damaged or unreadable ({reason}).") from e


def _formats() -> list[str]:
    """Makes Pillow read everything that the gateway takes, whatever text a PNG carries."""
    import pi_heif
    from PIL import Image, PngImagePlugin

    pi_heif.register_heif_opener()
    Image.MAX_IMAGE_PIXELS = None  # we check ourselves, before anything is decoded
    for chunk in ("zTXt", "tEXt", "iTXt"):
        setattr(PngImagePlugin.PngStream, f"chunk_{chunk}", _skipped)
    return [name for name in TYPES if name != "MPO"]  # which is found as JPEG


def _skipped(stream: Any, _at: int, length: int) -> bytes:
    from PIL import ImageFile

    return ImageFile._safe_read(stream.fp, length)


def _too_large(width: int, height: int) -> ClientError:
    return ClientError(f"{width} x {height} is more than {MAX_PIXELS // 1_000_000} megapixels.")


def _natural(name: str) -> list[tuple[int, int, str]]:
    return [(0, int(p), "") if p.isdigit() else (1, 0, p.lower()) for p in re.split(r"(\d+)", name) if p]
