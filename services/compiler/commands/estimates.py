"""How much work a film still needs: estimated from the order alone, or piece by piece once its clips exist."""

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
from services.compiler.commands.pieces import PieceBuilder
from services.compiler.planning.chunks import track_key
from services.compiler.planning.film_order import FilmOrder
from services.compiler.planning.pieces import CaptionedRecipe, Piece, PieceKind, Recipe, captioned_recipes
from services.compiler.planning.render_speed import RenderSpeed, join_units, picture_units
from services.compiler.planning.sound_plan import plan_sound
from shared.contracts.values import CaptionMode, TransitionStyle

UNPROBED_S: Final = 5.0  # assumed length of a video that was never probed


@dataclass(frozen=True)
class WorkEstimate:
    """Seconds of rendering, on one worker, and of joining the rendered pieces."""

    rendering_s: float
    joining_s: float

    @property
    def total_s(self) -> float:
        return self.rendering_s + self.joining_s

    def until_ready(self, at_once: int) -> float:
        """Seconds until the film is ready with `at_once` pieces in parallel."""
        return round(self.rendering_s / at_once + self.joining_s, 1)


def estimate_from_order(order: FilmOrder, speed: RenderSpeed, missing: Sequence[Recipe]) -> WorkEstimate:
    """`missing`: clips and stems that do not exist yet. Windows, burned captions and the sound count as missing."""
    length = sum(item.video.media.duration_s or UNPROBED_S for item in order.items)
    transitions = [item.transition_after for item in order.items[:-1] if item.transition_after]
    blended = [t.duration_s for t in transitions if t.style is not TransitionStyle.CUT]
    spoken = [i.video.media.duration_s or UNPROBED_S for i in order.items if i.narration and i.narration.directions]
    burned = spoken if order.captions is CaptionMode.BURNED else []
    pictures = sum(
        speed.seconds(kind, picture_units(order.output, seconds * float(order.output.rate)))
        for kind, lengths in ((PieceKind.WINDOW, blended), (PieceKind.CAPTIONED, burned))
        for seconds in lengths
    )
    rendering = speed.of(missing) + pictures + speed.of_sound(length)
    return WorkEstimate(rendering, speed.seconds("join", join_units(length)))


async def estimate_remaining(order: FilmOrder, builder: PieceBuilder) -> WorkEstimate:
    """Existing pieces cost nothing; pieces that depend on a clip that does not exist yet are estimated."""
    speed = builder.speed
    clips = clip_recipes(order, await builder.renderer.encoder(order.output))
    stems = stem_recipes(order)
    first: list[Recipe] = [*clips.values(), *stems.values()]
    found = await builder.find([r.key for r in first])
    if missing := [r for r in first if r.key not in found]:
        return estimate_from_order(order, speed, missing)
    film = film_plan(order, {segment: found[r.key] for segment, r in clips.items()})
    windows = planned_windows(order, film, found)
    sources = sources_of(stems, found)
    sound = plan_sound(film, order.output.rate, sources, order.audio)
    track = track_key(sound, order.audio)
    captioned: list[CaptionedRecipe] = []
    if order.captions is CaptionMode.BURNED:
        window_pieces = [Piece(w.key, PieceKind.WINDOW, None, {}) for w in windows]
        captions, fonts = spoken_captions(order, sources, sound), await builder.renderer.fonts()
        clip_pieces = [found[shot.clip.key] for shot in film.shots]
        recipes = captioned_recipes(film, clip_pieces, window_pieces, captions, order.output, fonts)
        captioned = list(recipes.values())
    existing = await builder.find([*(w.key for w in windows), *(c.key for c in captioned), track])
    seconds = film.frames / float(order.output.rate)
    wanted: list[Recipe] = [*windows, *captioned]
    rendering = speed.of([r for r in wanted if r.key not in existing])
    if track not in existing:
        rendering += speed.of_sound(seconds)
    return WorkEstimate(rendering, speed.seconds("join", join_units(seconds)))
