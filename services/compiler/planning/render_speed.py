"""How long pieces take to render, for progress and estimates: units of work, and measured seconds per unit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from services.compiler.planning.chunks import CHUNK_PACKETS, PACKET
from services.compiler.planning.pieces import (
    CaptionedRecipe,
    ChunkRecipe,
    ClipRecipe,
    PieceKind,
    PosterRecipe,
    Recipe,
    StemRecipe,
    WindowRecipe,
)
from services.compiler.planning.sound_plan import RATE
from shared.contracts.values import Output

SECONDS_PER_UNIT: Final[Mapping[str, float]] = {
    PieceKind.CLIP: 0.02,  # a megapixel frame, with another job running: 0.5 s for a second of 1080p24 on two cores
    PieceKind.WINDOW: 0.02,
    PieceKind.STEM: 0.01,  # a second of sound
    PieceKind.CHUNK: 0.09,
    PieceKind.POSTER: 0.2,
    PieceKind.CAPTIONED: 0.03,  # decoded, drawn on, encoded
    "level": 0.008,  # a second of sound, mixed and limited until it has the target loudness
    "join": 0.002,  # a second of film
}
"""The values until this machine is measured: two cores of a server of 2024."""

_SMOOTHING: Final = 0.3
_STARTING: Final = 12.0  # megapixel frames that take as long as starting ffmpeg and checking its output
_JOIN_FIXED: Final = 60.0  # seconds of film that take as long as the fixed part of a join: rows, texts, the film's head


def units(recipe: Recipe) -> float:
    match recipe:
        case ClipRecipe():
            return picture_units(recipe.output, recipe.seconds * float(recipe.output.rate))
        case WindowRecipe():
            return picture_units(recipe.output, recipe.window.frames)
        case StemRecipe():
            return recipe.seconds
        case ChunkRecipe():
            return (recipe.chunk.stop - recipe.chunk.first) * PACKET / RATE
        case CaptionedRecipe():
            return picture_units(recipe.output, recipe.frames)
        case PosterRecipe():
            return 1.0


def join_units(seconds: float) -> float:
    """Units of joining a film of this length in seconds."""
    return _JOIN_FIXED + seconds


def picture_units(output: Output, frames: float) -> float:
    """Units of one piece with this many frames; small pieces take little longer than starting ffmpeg."""
    return _STARTING + output.width * output.height / 1e6 * frames


def chunk_seconds() -> float:
    return CHUNK_PACKETS * PACKET / RATE


class RenderSpeed:
    """Seconds per unit of work by kind, learnt from the pieces that were rendered."""

    def __init__(self, measured: Mapping[str, float] | None = None) -> None:
        self._seconds_per_unit = {**SECONDS_PER_UNIT, **(measured or {})}

    def seconds(self, kind: str, count: float) -> float:
        return self._seconds_per_unit[kind] * count

    def of(self, recipes: Iterable[Recipe]) -> float:
        return sum(self.seconds(r.kind, units(r)) for r in recipes)

    def of_sound(self, seconds: float) -> float:
        """Seconds for a whole sound track of this length: finding its level, then encoding it."""
        return self.seconds("level", seconds) + self.seconds(PieceKind.CHUNK, max(seconds, chunk_seconds()))

    def learn(self, kind: str, count: float, seconds: float) -> float:
        """Takes a measurement into account and returns the new seconds per unit."""
        if count > 0:
            self._seconds_per_unit[kind] += _SMOOTHING * (seconds / count - self._seconds_per_unit[kind])
        return self._seconds_per_unit[kind]


class ProgressMeter:
    """The progress of a job in percent of the seconds that its pieces take; never falls, even if more work is found."""

    def __init__(self, expected_s: float) -> None:
        self._expected = max(expected_s, 1e-3)
        self._done = 0.0
        self._running: dict[str, float] = {}
        self._shown = 0.0

    def expect(self, seconds: float) -> None:
        """Sets the seconds of work that remain, as far as known."""
        self._expected = max(self._done + seconds, 1e-3)

    def advance(self, key: str, seconds: float, share: float) -> None:
        """`share` (0 to 1) of a piece of `seconds` is done."""
        self._running[key] = seconds * min(1.0, share)
        if share >= 1:
            self._done += self._running.pop(key)

    @property
    def percent(self) -> float:
        reached = 100 * min(0.99, (self._done + sum(self._running.values())) / self._expected)
        self._shown = max(self._shown, reached)
        return round(self._shown, 1)
