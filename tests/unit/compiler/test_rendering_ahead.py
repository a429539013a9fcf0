"""Rendering ahead stops for a change of its episode and for a film that is being compiled."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from services.compiler.commands.ports import Renderer
from services.compiler.commands.rendering_ahead import render_ahead
from services.compiler.domain.compilations import EpisodeState
from services.compiler.planning.pieces import ClipRecipe, Piece, PieceKind, Recipe
from services.compiler.planning.render_speed import RenderSpeed
from shared.contracts.events.gateway import PinnedMedia
from shared.contracts.values import Output
from tests.support import events
from tests.support.clock import FakeClock


@dataclass
class Job:
    """A job that is superseded once `pieces` pieces are made."""

    state: EpisodeState
    made: list[str]
    pieces: int
    ended: list[str] = field(default_factory=list)

    async def episode(self) -> EpisodeState:
        return self.state

    async def superseded(self) -> bool:
        return len(self.made) >= self.pieces

    async def finish(self) -> None:
        self.ended.append("finished")

    async def postpone(self, delay_s: float) -> None:
        self.ended.append("postponed")


@dataclass
class Shelf:
    """A piece store and a renderer in memory."""

    made: list[str]
    pieces: dict[str, Piece] = field(default_factory=dict)

    async def find(self, keys: Any) -> dict[str, Piece]:
        return {k: self.pieces[k] for k in keys if k in self.pieces}

    async def claim(self, key: str, kind: PieceKind) -> str | None:
        return "token"

    async def renew(self, key: str, token: str) -> bool:
        return True

    async def finish(self, piece: Piece, token: str) -> bool:
        self.pieces[piece.key] = piece
        return True

    async def release(self, key: str, token: str) -> None:
        pass

    async def learn(self, kind: str, seconds_per_unit: float) -> None:
        pass

    async def encoder(self, output: Output) -> str:
        return "x264"

    async def make(self, recipe: Recipe, *, low_priority: bool, on_progress: Any) -> Piece:
        assert low_priority
        self.made.append(recipe.kind)
        index = {"sizes": [1] * 120, "keyframes": [0, 12, 108]}
        return Piece(recipe.key, recipe.kind, events.object_ref(), index if isinstance(recipe, ClipRecipe) else {})


def episode(segments: int) -> EpisodeState:
    timeline = events.episode_changed(segments=[events.timeline_segment(number=n) for n in range(1, segments + 1)])
    videos: dict[str, PinnedMedia] = {
        s.video_asset_id: events.pinned(asset_id=s.video_asset_id, object=events.object_ref(sha256=f"{s.number:064}"))
        for s in timeline.segments
    }
    return EpisodeState(timeline, videos, None, settled=False)


async def prepared(segments: int, superseded_after: int) -> tuple[list[str], list[str]]:
    made: list[str] = []
    shelf, job = Shelf(made), Job(episode(segments), made, superseded_after)
    renderer: Renderer = shelf  # type: ignore[assignment]  # nothing else of it is needed ahead of the sound
    await render_ahead(job, shelf, renderer, RenderSpeed(), FakeClock(), attempt=1, settle_s=3)
    return made, job.ended


async def test_what_is_superseded_stops_after_the_piece_in_hand_and_is_planned_again() -> None:
    made, ended = await prepared(4, superseded_after=2)
    assert made == ["clip", "clip"]
    assert ended == ["finished"]  # which starts over, as the episode has changed since


async def test_clips_come_first_then_windows_and_the_sound_waits_until_all_has_settled() -> None:
    made, ended = await prepared(3, superseded_after=99)
    assert made[:5] == ["clip", "clip", "clip", "window", "window"]
    assert "chunk" not in made
    assert ended == ["postponed"]
