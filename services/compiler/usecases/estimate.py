"""How much work a film still is: guessed from the order alone, or looked up piece by piece once its clips are there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from services.compiler.domain.chunks import track_key
from services.compiler.domain.cost import Pace, chunk_seconds, join_units, megapixels
from services.compiler.domain.order import Order
from services.compiler.domain.pieces import PieceKind, Recipe, window_recipes
from services.compiler.usecases.gather import clip_recipes, film_plan, sound_plan, stem_recipes
from services.compiler.usecases.obtain_pieces import Obtainer
from shared.contracts.values import TransitionStyle

UNPROBED_S: Final = 5.0  # length of a video that was never probed


@dataclass(frozen=True)
class Work:
    """Seconds of rendering, and of joining what was rendered."""

    rendering: float
    joining: float

    @property
    def total(self) -> float:
        return self.rendering + self.joining

    def until_ready(self, at_once: int) -> float:
        return round(self.rendering / at_once + self.joining, 1)


def guess(order: Order, pace: Pace, missing: Sequence[Recipe]) -> Work:
    """`missing`: the clips and stems that are not there. Windows and the whole sound count as missing, too."""
    length = sum(item.video.media.duration_s or UNPROBED_S for item in order.items)
    blended = sum(
        item.transition_after.duration_s
        for item in order.items[:-1]
        if item.transition_after and item.transition_after.style is not TransitionStyle.CUT
    )
    windows = pace.seconds(PieceKind.WINDOW, megapixels(order.output) * order.output.fps * blended)
    sound = pace.seconds(PieceKind.CHUNK, max(length, chunk_seconds()))
    return Work(pace.of(missing) + windows + sound, pace.seconds("join", join_units(length)))


async def look(order: Order, obtainer: Obtainer) -> Work:
    """What is there counts; what depends on a clip that is not there yet is guessed."""
    pace = obtainer.pace
    clips = clip_recipes(order, await obtainer.workshop.encoder(order.output))
    stems = stem_recipes(order)
    first: list[Recipe] = [*clips.values(), *stems.values()]
    found = await obtainer.find([r.key for r in first])
    if missing := [r for r in first if r.key not in found]:
        return guess(order, pace, missing)
    film = film_plan(order, {segment: found[r.key] for segment, r in clips.items()})
    windows = window_recipes(film, {i.segment_id: i.video.object for i in order.items}, order.output)
    track = track_key(sound_plan(order, film, stems, found), order.audio)
    there = await obtainer.find([*(w.key for w in windows), track])
    seconds = film.frames / order.output.fps
    rendering = pace.of([w for w in windows if w.key not in there])
    if track not in there:
        rendering += pace.seconds(PieceKind.CHUNK, max(seconds, chunk_seconds()))
    return Work(rendering, pace.seconds("join", join_units(seconds)))
