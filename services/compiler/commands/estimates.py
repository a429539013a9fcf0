"""How much work a film still is: guessed from the order alone, or looked up piece by piece once its clips are there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from services.compiler.commands.assembly import (
    clip_recipes,
    film_plan,
    planned_windows,
    sources_of,
    spoken_captions,
    stem_recipes,
)
from services.compiler.commands.pieces import Obtainer
from services.compiler.planning.chunks import track_key
from services.compiler.planning.film_order import Order
from services.compiler.planning.pieces import (
    CaptionedRecipe,
    Piece,
    PieceKind,
    Recipe,
    captioned_recipes,
)
from services.compiler.planning.render_speed import Pace, join_units, picture_units
from services.compiler.planning.sound_plan import plan_sound
from shared.contracts.values import CaptionMode, TransitionStyle

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
    """`missing`: clips and stems that are not there. Windows, drawn captions and the whole sound count as missing."""
    length = sum(item.video.media.duration_s or UNPROBED_S for item in order.items)
    afters = [item.transition_after for item in order.items[:-1] if item.transition_after]
    blended = [after.duration_s for after in afters if after.style is not TransitionStyle.CUT]
    spoken = [i.video.media.duration_s or UNPROBED_S for i in order.items if i.narration and i.narration.directions]
    burned = spoken if order.captions is CaptionMode.BURNED else []
    pictures = sum(
        pace.seconds(kind, picture_units(order.output, seconds * order.output.fps))
        for kind, lengths in ((PieceKind.WINDOW, blended), (PieceKind.CAPTIONED, burned))
        for seconds in lengths
    )
    return Work(pace.of(missing) + pictures + pace.of_sound(length), pace.seconds("join", join_units(length)))


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
    windows = planned_windows(order, film, found)
    sources = sources_of(stems, found)
    sound = plan_sound(film, order.output.fps, sources, order.audio)
    track = track_key(sound, order.audio)
    drawn: list[CaptionedRecipe] = []
    if order.captions is CaptionMode.BURNED:
        blends = [Piece(w.key, PieceKind.WINDOW, None, {}) for w in windows]
        shown, fonts = spoken_captions(order, sources, sound), await obtainer.workshop.lettering()
        pictures = [found[shot.clip.key] for shot in film.shots]
        drawn = list(captioned_recipes(film, pictures, blends, shown, order.output, fonts).values())
    there = await obtainer.find([*(w.key for w in windows), *(d.key for d in drawn), track])
    seconds = film.frames / order.output.fps
    wanted: list[Recipe] = [*windows, *drawn]
    rendering = pace.of([r for r in wanted if r.key not in there])
    if track not in there:
        rendering += pace.of_sound(seconds)
    return Work(rendering, pace.seconds("join", join_units(seconds)))
