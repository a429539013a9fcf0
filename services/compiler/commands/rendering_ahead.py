"""Renders ahead, at low priority, what a film of the episode as it stands would need: a click then only joins."""

from __future__ import annotations

from typing import Final

import structlog

from services.compiler.commands.assembly import clip_recipes, gather_clips, gather_sound, gather_windows, stem_recipes
from services.compiler.commands.pieces import Obtainer
from services.compiler.commands.ports import Known, PieceBook, PrepareJob, Workshop
from services.compiler.planning.film_order import Order, expected_orders, habit_of
from services.compiler.planning.pieces import poster_recipe
from services.compiler.planning.render_speed import Meter, Pace
from shared.core.clock import Clock
from shared.core.errors import RetakeError, Retryable

log = structlog.get_logger(__name__)

MOST_ATTEMPTS: Final = 5
RETRY_AFTER_S: Final = 5.0


class Superseded(Retryable):
    """The episode has changed: what is rendered next has to be planned again."""

    def __init__(self) -> None:
        super().__init__("superseded", "the episode has changed")


async def prepare_episode(
    job: PrepareJob, book: PieceBook, workshop: Workshop, pace: Pace, clock: Clock, *, attempt: int, settle_s: float
) -> None:
    """Clips first, then windows between neighbours; then, once every segment is committed and nothing has changed for
    `settle_s`, the whole sound, which any narration or music that is still to come would change.

    A failure here fails nobody: the compilation that needs the piece tries again and tells.
    """
    known = await job.known()
    if known is None or attempt > MOST_ATTEMPTS:
        await job.finish()
        return

    async def look() -> None:
        if await job.superseded():
            raise Superseded

    obtainer = Obtainer(book, workshop, clock, pace, Meter(1.0), at_once=1, polite=True, before_each=look)
    try:
        if await _prepare(known, obtainer):
            await job.put_off(settle_s)
            return
    except Superseded:
        pass
    except RetakeError as error:
        if error.code == "fenced":
            raise
        log.warning("prepare.failed", code=error.code, cause=error.cause, attempt=attempt)
        if error.retryable and attempt < MOST_ATTEMPTS:
            await job.put_off(RETRY_AFTER_S * attempt)
            return
    await job.finish()


async def _prepare(known: Known, obtainer: Obtainer) -> bool:
    """True if the sound is left to do when all has settled."""
    habit = habit_of(known.last)
    orders, _ = expected_orders(known.timeline, known.committed, habit)
    broken = [asset for order in orders for asset in await _conform(order, obtainer)]
    usable = {asset: media for asset, media in known.committed.items() if asset not in broken}
    orders, whole = expected_orders(known.timeline, usable, habit)
    for order in orders:
        pictures = await gather_windows(order, await gather_clips(order, obtainer), obtainer)
        await obtainer.obtain([poster_recipe(pictures.clips[0], order.output), *stem_recipes(order).values()])
        if whole and known.settled:
            await gather_sound(order, pictures.plan, obtainer)
    return whole and bool(orders) and not known.settled


async def _conform(order: Order, obtainer: Obtainer) -> list[str]:
    """One clip at a time: a video that cannot be conformed must not keep the others waiting. Returns such assets."""
    broken = []
    recipes = clip_recipes(order, await obtainer.workshop.encoder(order.output))
    for item in order.items:
        try:
            await obtainer.obtain([recipes[item.segment_id]])
        except RetakeError as error:
            if error.retryable:
                raise
            log.warning("prepare.cannot_conform", asset_id=item.video.asset_id, code=error.code, cause=error.cause)
            broken.append(item.video.asset_id)
    return broken
