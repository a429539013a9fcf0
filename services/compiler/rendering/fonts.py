"""Identifies the machine's fonts: burned captions depend on them, so a new font makes a new piece."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

# Where fontconfig looks by default, and macOS.
_FOLDERS: Final = ("/usr/share/fonts", "/usr/local/share/fonts", "~/.fonts", "~/.local/share/fonts",
                   "/System/Library/Fonts", "/Library/Fonts", "~/Library/Fonts")  # fmt: skip


def fonts_fingerprint(folders: tuple[str, ...] = _FOLDERS) -> str:
    """A hash that changes when a font is installed or removed. Blocks."""
    found = sorted(line for folder in folders for line in _files(Path(folder).expanduser()))
    return hashlib.sha256("\n".join(found).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _files(folder: Path) -> Iterator[str]:
    for parent, _, names in os.walk(folder):
        yield from (f"{parent}/{name}" for name in names)
