"""The file with which work on a film goes on in an editing program."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import structlog

from services.compiler.commands.assembly import stem_recipes
from services.compiler.commands.ports import Pictures, Track, Workshop
from services.compiler.planning.film_order import Order
from services.compiler.planning.handover import hand_over
from shared.contracts.events.gateway import CompileRequested

log = structlog.get_logger(__name__)

TIMELINE: Final = "timeline.otio"
_LEFT_OUT: Final = "The timeline for editing programs could not be written: the compiler's log says why."


def describe_timeline(
    request: CompileRequested, order: Order, pictures: Pictures, track: Track, workshop: Workshop
) -> dict[str, str]:
    """By name, as `store_files` takes it; empty if it cannot be written: the film is done, and worth more."""
    try:
        stems = {role: recipe.key for role, recipe in stem_recipes(order).items()}
        own = {role.removeprefix("own:"): key for role, key in stems.items() if role.startswith("own:")}
        handover = hand_over(order, pictures.plan, track.plan, own=own, music=stems.get("music"))
        return {TIMELINE: workshop.timeline(request, handover)}
    except Exception:
        log.exception("film.timeline_failed", compilation_id=request.compilation_id)
        return {}


def left_out(files: Mapping[str, object]) -> list[str]:
    """What is to be told of a film that these files lie beside."""
    return [] if TIMELINE in files else [_LEFT_OUT]
