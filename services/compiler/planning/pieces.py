"""Pieces: their kinds, the recipes they are made from, and what planning needs to know of a finished piece."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, assert_never

from services.compiler.planning import keys
from services.compiler.planning.captions import Caption
from services.compiler.planning.chunks import Chunk, Level
from services.compiler.planning.film_plan import Body, Clip, FilmPlan, Window
from services.compiler.planning.sound_plan import SoundPlan, Stem
from shared.contracts.frame_rates import Rate
from shared.contracts.values import ObjectRef, Output


class PieceKind(StrEnum):
    CLIP = "clip"
    WINDOW = "window"
    STEM = "stem"
    CHUNK = "chunk"
    POSTER = "poster"
    CAPTIONED = "captioned"
    TRACK = "track"  # no bytes of its own: which chunks make a film's sound, and what it measures


@dataclass(frozen=True)
class Piece:
    """A finished piece. `facts`: its index (sample sizes, keyframes), loudness, and whatever else its kind needs."""

    key: str
    kind: PieceKind
    object: ObjectRef | None
    facts: Mapping[str, Any]

    @property
    def bytes(self) -> ObjectRef:
        if self.object is None:
            raise ValueError(f"a {self.kind} has no bytes")
        return self.object


@dataclass(frozen=True)
class ClipRecipe:
    key: str
    name: str
    source: ObjectRef
    output: Output
    seconds: float
    kind: PieceKind = PieceKind.CLIP


@dataclass(frozen=True)
class WindowRecipe:
    """`left` and `right` are the two conformed clips or, if `from_sources`, their sources.

    `left_frames` is the length of the left clip.
    """

    key: str
    name: str
    left: ObjectRef
    right: ObjectRef
    from_sources: bool
    left_frames: int
    window: Window
    output: Output
    kind: PieceKind = PieceKind.WINDOW


@dataclass(frozen=True)
class StemRecipe:
    key: str
    name: str
    source: ObjectRef
    seconds: float
    kind: PieceKind = PieceKind.STEM


@dataclass(frozen=True)
class ChunkRecipe:
    key: str
    name: str
    plan: SoundPlan
    level: Level
    chunk: Chunk
    stems: Mapping[str, Piece]
    kind: PieceKind = PieceKind.CHUNK


@dataclass(frozen=True)
class PosterRecipe:
    key: str
    name: str
    clip: Piece
    at_s: float
    kind: PieceKind = PieceKind.POSTER


@dataclass(frozen=True)
class CaptionedRecipe:
    """Frames [start, stop) of a clip or window with captions drawn; their times count from `start`, a keyframe."""

    key: str
    name: str
    pictures: Piece
    start: int
    stop: int
    captions: tuple[Caption, ...]
    output: Output
    kind: PieceKind = PieceKind.CAPTIONED

    @property
    def frames(self) -> int:
        return self.stop - self.start


Recipe = ClipRecipe | WindowRecipe | StemRecipe | ChunkRecipe | PosterRecipe | CaptionedRecipe


def clip_recipe(name: str, source: ObjectRef, seconds: float | None, output: Output, encoder: str) -> ClipRecipe:
    return ClipRecipe(keys.clip_key(source.sha256, output, encoder), name, source, output, seconds or 5.0)


def stem_recipe(name: str, source: ObjectRef, seconds: float | None) -> StemRecipe:
    return StemRecipe(keys.stem_key(source.sha256), name, source, seconds or 5.0)


def fine_end(fps: Rate) -> int:
    """How many frames at either end of a clip have enough bits to be blended and encoded again: half a second, which is
    the usual length of a transition."""
    return round(fps / 2)


def needs_sources(window: Window, fps: Rate) -> bool:
    return window.head > fine_end(fps)


def window_recipes(
    plan: FilmPlan, clips: Mapping[str, Piece], sources: Mapping[str, ObjectRef], output: Output
) -> list[WindowRecipe]:
    """From the ends of the clips (`clips` by key), which have keyframes for this. A window longer than their fine
    ends is made from the sources (by segment id), of which more has to be decoded."""
    recipes = []
    for window in plan.windows:
        left, right = plan.shots[window.left], plan.shots[window.left + 1]
        from_sources = needs_sources(window, output.rate)
        ends = [sources[s.segment_id] if from_sources else clips[s.clip.key].bytes for s in (left, right)]
        recipes.append(
            WindowRecipe(
                key=keys.window_key(left, right, window),
                name=f"the {window.style} between {left.name} and {right.name}",
                left=ends[0],
                right=ends[1],
                from_sources=from_sources,
                left_frames=left.clip.frames,
                window=window,
                output=output,
            )
        )
    return recipes


def captioned_recipes(
    plan: FilmPlan,
    clips: Sequence[Piece],
    windows: Iterable[Piece],
    captions: Sequence[Caption],
    output: Output,
    fonts: str,
) -> dict[int, CaptionedRecipe]:
    """The parts of the film during which a caption is shown, by their number; the other parts stay as they are.

    `fonts` identifies the fonts: with others, the same captions look different.
    """
    waiting: Iterator[Piece] = iter(windows)
    recipes: dict[int, CaptionedRecipe] = {}
    at = 0
    for number, part in enumerate(plan.parts):
        match part:
            case Body(shot, start, stop):
                source, name = clips[shot], plan.shots[shot].name
            case Window(left):
                source, start, stop = next(waiting), 0, part.frames
                name = f"the transition after {plan.shots[left].name}"
            case _:
                assert_never(part)
        begin_ms, end_ms = at * 1000 // output.rate, (at + part.frames) * 1000 // output.rate
        shown = tuple(
            replace(c, start=max(0, c.start - begin_ms), end=min(c.end, end_ms) - begin_ms)
            for c in captions
            if c.start < end_ms and c.end > begin_ms
        )
        if shown:
            texts = [[c.start, c.end, *c.lines] for c in shown]
            key = keys.captioned_key(source.key, start, stop, texts, fonts)
            recipes[number] = CaptionedRecipe(key, f"the captions of {name}", source, start, stop, shown, output)
        at += part.frames
    return recipes


def chunk_recipes(plan: SoundPlan, level: Level, chunks: Iterable[Chunk], stems: Mapping[str, Piece]) -> list[Recipe]:
    return [ChunkRecipe(c.key, "the film's sound", plan, level, c, stems) for c in chunks]


def poster_recipe(clip: Piece, output: Output) -> PosterRecipe:
    """From the middle of a clip: first frames are often still or black."""
    at_s = float(clip_of(clip).frames // 2 / output.rate)
    return PosterRecipe(keys.address("poster", keys.POSTER_RECIPE, clip=clip.key), "the poster", clip, at_s)


def clip_of(piece: Piece) -> Clip:
    return Clip(piece.key, len(piece.facts["sizes"]), tuple(piece.facts["keyframes"]))


def stem_of(piece: Piece) -> Stem:
    first, stop = piece.facts["heard"]
    pauses = tuple((a, b) for a, b in piece.facts["pauses"])
    return Stem(
        piece.key, piece.facts["samples"], piece.facts["loudness"], (first, stop), pauses, piece.facts["repeat"]
    )
