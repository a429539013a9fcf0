"""Renders ahead, at low priority, what a film of the episode as it stands would need: a click then only joins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import structlog

from services.compiler.domain.cost import Meter, Pace
from services.compiler.domain.order import Order, expected_orders
from services.compiler.domain.pieces import poster_recipe
from services.compiler.usecases.gather import clip_recipes, gather_pictures, gather_sound
from services.compiler.usecases.obtain_pieces import Obtainer
from services.compiler.usecases.ports import PieceBook, PrepareJob, Workshop
from shared.clock import Clock
from shared.contracts.gateway import EpisodeChanged, PinnedMedia
from shared.errors import RetakeError, Retryable

log = structlog.get_logger(__name__)

MOST_ATTEMPTS: Final = 5
RETRY_AFTER_S: Final = 5.0


class Superseded(Retryable):
    """The episode has changed: what is rendered next has to be planned again."""

    def __init__(self) -> None:
        super().__init__("superseded", "the episode has changed")


async def prepare_episode(
    job: PrepareJob, book: PieceBook, workshop: Workshop, pace: Pace, clock: Clock, *, attempt: int
) -> None:
    """Clips first, then windows between neighbours, then, once every segment is committed, the whole sound.

    A failure here fails nobody: the compilation that needs the piece tries again and tells.
    """
    known = await job.expected()
    if known is None or attempt > MOST_ATTEMPTS:
        await job.finish()
        return

    async def look() -> None:
        if await job.superseded():
            raise Superseded

    obtainer = Obtainer(book, workshop, clock, pace, Meter(1.0), at_once=1, polite=True, before_each=look)
    try:
        await _prepare(*known, obtainer)
    except Superseded:
        pass
    except RetakeError as error:
        if error.code == "fenced":
            raise
        log.warning("prepare.failed", code=error.code, cause=error.cause, attempt=attempt)
        if error.retryable and attempt < MOST_ATTEMPTS:
            await job.again(RETRY_AFTER_S * attempt)
            return
    await job.finish()


async def _prepare(timeline: EpisodeChanged, committed: Mapping[str, PinnedMedia], obtainer: Obtainer) -> None:
    orders, _ = expected_orders(timeline, committed)
    broken = [asset for order in orders for asset in await _conform(order, obtainer)]
    orders, whole = expected_orders(timeline, {a: m for a, m in committed.items() if a not in broken})
    for order in orders:
        pictures = await gather_pictures(order, obtainer)
        await obtainer.obtain([poster_recipe(pictures.clips[0], order.output)])
        if whole:
            await gather_sound(order, pictures.plan, obtainer)


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
