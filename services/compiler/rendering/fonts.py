"""The fonts of burned captions, which depend on the machine's: a new font makes a new piece."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from services.compiler.planning.captions import Caption
from services.compiler.planning.subtitles import to_ass
from shared.contracts.values import Output
from shared.media.fonts import CJK_FAMILY, FOLDERS, LATIN_FAMILY, cjk_font, latin_font, width_em


def fonts_fingerprint(folders: tuple[str, ...] = FOLDERS) -> str:
    """A hash that changes when a font is installed or removed. Blocks."""
    packaged = cjk_font()
    found = [f"{packaged.name} {packaged.stat().st_size}"] if packaged else []
    found += sorted(line for folder in folders for line in _files(Path(folder).expanduser()))
    return hashlib.sha256("\n".join(found).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _files(folder: Path) -> Iterator[str]:
    for parent, _, names in os.walk(folder):
        yield from (f"{parent}/{name}" for name in names)


def write_script(path: Path, captions: Sequence[Caption], output: Output) -> None:
    """The captions as an ASS file, beside a folder with the fonts that come with Retake. Blocks."""
    folder = path.with_name("fonts")
    folder.mkdir(exist_ok=True)
    packaged = cjk_font()
    if packaged and not (folder / packaged.name).exists():
        (folder / packaged.name).symlink_to(packaged)
    family = LATIN_FAMILY if latin_font() or not packaged else CJK_FAMILY
    path.write_text(to_ass(captions, output, width_em, family), encoding="utf-8")
