"""Keys of pieces: the sha256 of everything that determines a piece's bytes.

Two pieces with the same key are one piece, for whichever film. When a recipe changes, its number below must change: the
old pieces are then not found any more, and retention deletes them once they have been unused for long enough.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from services.compiler.planning.film_plan import Shot, Window
from shared.contracts.values import Output

CLIP_RECIPE = 5
WINDOW_RECIPE = 3
STEM_RECIPE = 3
CHUNK_RECIPE = 1
TRACK_RECIPE = 1
POSTER_RECIPE = 1
CAPTIONED_RECIPE = 1


def address(kind: str, recipe: int, **parameters: Any) -> str:
    """Hex sha256 of a piece's kind, recipe and parameters; the order of the parameters does not matter."""
    facts = {"kind": kind, "recipe": recipe, **_plain(parameters)}
    return hashlib.sha256(json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _plain(value: Any) -> Any:
    """Normalises numbers: -16 and -16.0 are equal, and so are two that differ by less than a millionth."""
    match value:
        case bool() | str() | None:
            return value
        case int() | float():
            rounded = round(value, 6)
            return int(rounded) if rounded == int(rounded) else rounded
        case dict():
            return {name: _plain(v) for name, v in value.items()}
        case list() | tuple():
            return [_plain(v) for v in value]
        case _:
            raise TypeError(f"{type(value).__name__} cannot be part of a key")


def clip_key(source_sha256: str, output: Output, encoder: str) -> str:
    """A source conformed to an output. `encoder` identifies the parameter sets that all pieces of a film share."""
    return address(
        "clip",
        CLIP_RECIPE,
        source=source_sha256,
        output=_plain_output(output),
        encoder=encoder,
    )


def _plain_output(output: Output) -> dict[str, Any]:
    return output.model_dump(mode="json", exclude_none=True)


def window_key(left: Shot, right: Shot, window: Window) -> str:
    """A transition between two conformed clips, whose keys already cover sources, output and encoder."""
    return address(
        "window",
        WINDOW_RECIPE,
        left=left.clip.key,
        right=right.clip.key,
        style=window.style,
        overlap=window.overlap,
        head=window.head,
    )


def stem_key(source_sha256: str) -> str:
    """The sound of a source as 48 kHz stereo floats, from the source's first instant."""
    return address("stem", STEM_RECIPE, source=source_sha256)


def captioned_key(pictures: str, start: int, stop: int, captions: list[list[Any]], fonts: str) -> str:
    """`pictures`: the key of the piece that is drawn on, which covers the size. `fonts` identifies the fonts."""
    return address(
        "captioned",
        CAPTIONED_RECIPE,
        pictures=pictures,
        start=start,
        stop=stop,
        captions=captions,
        fonts=fonts,
    )


def output_name(output: Output) -> str:
    """An output as one word, for finding the clips that were made for it."""
    return f"{output.width}x{output.height}@{output.rate}/{output.fit}"
