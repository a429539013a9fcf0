"""Renders at low priority, ahead of any request, the pieces that a film of the episode would need."""

from __future__ import annotations

from typing import Final

import structlog

from services.compiler.commands.assembly import (
    assemble_clips,
    assemble_sound,
    assemble_windows,
    clip_recipes,
    stem_recipes,
)
from services.compiler.commands.pieces import PieceBuilder
from services.compiler.commands.ports import PieceStore, PrepareJob, Renderer
from services.compiler.domain.compilations import EpisodeState
from services.compiler.planning.film_order import FilmOrder, expected_orders, preferences_of
from services.compiler.planning.pieces import poster_recipe
from services.compiler.planning.render_speed import ProgressMeter, RenderSpeed
from shared.core.clock import Clock
from shared.core.errors import RetakeError, Retryable

log = structlog.get_logger(__name__)

MOST_ATTEMPTS: Final = 5
RETRY_AFTER_S: Final = 5.0


class Superseded(Retryable):
    """The episode has changed: the remaining work has to be planned again."""

    def __init__(self) -> None:
        super().__init__("superseded", "the episode has changed")


async def render_ahead(
    job: PrepareJob,
    piece_store: PieceStore,
    renderer: Renderer,
    speed: RenderSpeed,
    clock: Clock,
    *,
    attempt: int,
    settle_s: float,
) -> None:
    """Renders clips first, then the windows between neighbours. Once every segment is committed and nothing has
    changed for `settle_s`, it renders the whole sound, which any later narration or music would change.

    A failure here fails nothing else: the compilation that needs the piece tries again and reports it.
    """
    episode = await job.episode()
    if episode is None or attempt > MOST_ATTEMPTS:
        await job.finish()
        return

    async def stop_if_superseded() -> None:
        if await job.superseded():
            raise Superseded

    builder = PieceBuilder(
        piece_store,
        renderer,
        clock,
        speed,
        ProgressMeter(1.0),
        at_once=1,
        low_priority=True,
        before_each=stop_if_superseded,
    )
    try:
        if await _render_expected_films(episode, builder):
            await job.postpone(settle_s)
            return
    except Superseded:
        pass
    except RetakeError as error:
        if error.code == "fenced":
            raise
        log.warning("prepare.failed", code=error.code, cause=error.cause, attempt=attempt)
        if error.retryable and attempt < MOST_ATTEMPTS:
            await job.postpone(RETRY_AFTER_S * attempt)
            return
    await job.finish()


async def _render_expected_films(episode: EpisodeState, builder: PieceBuilder) -> bool:
    """True if the sound is still to be rendered once the episode has settled."""
    preferences = preferences_of(episode.last)
    orders, _ = expected_orders(episode.timeline, episode.committed, preferences)
    broken = [asset for order in orders for asset in await _conform(order, builder)]
    usable = {asset: media for asset, media in episode.committed.items() if asset not in broken}
    orders, is_whole = expected_orders(episode.timeline, usable, preferences)
    for order in orders:
        pictures = await assemble_windows(order, await assemble_clips(order, builder), builder)
        await builder.build([poster_recipe(pictures.clips[0], order.output), *stem_recipes(order).values()])
        if is_whole and episode.settled:
            await assemble_sound(order, pictures.plan, builder)
    return is_whole and bool(orders) and not episode.settled


async def _conform(order: FilmOrder, builder: PieceBuilder) -> list[str]:
    """Conforms one clip at a time, so that one broken video does not hold up the others. Returns the asset ids of
    videos that cannot be conformed."""
    broken = []
    recipes = clip_recipes(order, await builder.renderer.encoder(order.output))
    for item in order.items:
        try:
            await builder.build([recipes[item.segment_id]])
        except RetakeError as error:
            if error.retryable:
                raise
            log.warning("prepare.cannot_conform", asset_id=item.video.asset_id, code=error.code, cause=error.cause)
            broken.append(item.video.asset_id)
    return broken
