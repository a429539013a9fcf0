"""Estimates: existing pieces cost nothing, burned captions do."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from services.compiler.commands.assembly import clip_recipes, stem_recipes
from services.compiler.commands.estimates import estimate_remaining
from services.compiler.commands.pieces import PieceBuilder
from services.compiler.planning.film_order import FilmOrder, order_from_request
from services.compiler.planning.pieces import Piece, PieceKind
from services.compiler.planning.render_speed import ProgressMeter, RenderSpeed
from services.compiler.planning.sound_plan import RATE
from shared.contracts.events.gateway import CompileItem
from shared.contracts.values import CaptionMode, Media, Output
from tests.support import events
from tests.support.clock import FakeClock

OUTPUT = Output(width=1000, height=1000, fps=24)  # a megapixel: a frame is a unit


class Book:
    """A piece store with the pieces in `known`."""

    def __init__(self, known: Sequence[Piece]) -> None:
        self.known = {piece.key: piece for piece in known}

    async def find(self, keys: Sequence[str]) -> dict[str, Piece]:
        return {key: self.known[key] for key in keys if key in self.known}


async def _answer(*_: Any) -> str:
    return "x"


def an_order(captions: CaptionMode) -> FilmOrder:
    video = events.pinned(media=Media(duration_s=2.0, video_codec="h264"))
    voice = events.pinned(directions="Hello.", media=Media(duration_s=1.0, audio_codec="pcm"))
    said = CompileItem(segment_id="s1", number=1, video=video, narration=voice)
    silent = CompileItem(segment_id="s2", number=2, video=video)
    return order_from_request(events.compile_requested(items=[said, silent], output=OUTPUT, captions=captions))


async def seconds(order: FilmOrder, known: Sequence[Piece], speed: RenderSpeed) -> float:
    renderer: Any = SimpleNamespace(encoder=_answer, fonts=_answer)
    piece_store: Any = Book(known)
    return (
        await estimate_remaining(order, PieceBuilder(piece_store, renderer, FakeClock(), speed, ProgressMeter(1.0)))
    ).rendering_s


async def test_captions_on_the_pictures_are_work_until_they_are_drawn() -> None:
    speed = RenderSpeed({"captioned": 0.5, "clip": 0.0, "stem": 0.0, "chunk": 0.0, "level": 0.0})
    soft, burned = an_order(CaptionMode.SOFT), an_order(CaptionMode.BURNED)
    clip = {"sizes": [1] * 48, "keyframes": [0]}
    stem = {"samples": RATE, "loudness": -20.0, "heard": [0, RATE], "pauses": [], "repeat": None}
    known = [Piece(r.key, PieceKind.CLIP, None, clip) for r in clip_recipes(soft, "x").values()]
    known += [Piece(r.key, PieceKind.STEM, None, stem) for r in stem_recipes(soft).values()]
    assert await seconds(soft, known, speed) == 0
    assert await seconds(burned, known, speed) == 30  # 48 frames during which something is said, and a start
    assert await seconds(burned, [], speed) == 30  # the same before anything is known of it
