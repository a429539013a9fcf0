"""A film is asked for: it waits for a worker, with an estimate of when it will be ready."""

from __future__ import annotations

from datetime import datetime

from services.compiler.commands.assembly import clip_recipes
from services.compiler.commands.cancel_compilation import cancel_compilation
from services.compiler.commands.estimates import guess
from services.compiler.commands.ports import Desk
from services.compiler.planning.film_order import Order, order_of
from services.compiler.planning.pieces import Recipe
from services.compiler.planning.render_speed import Pace
from shared.contracts.events.compiler import FilmState, FilmUpdated
from shared.contracts.events.gateway import CompileRequested
from shared.messaging.events import Message


async def admit_compilation(desk: Desk, message: Message[CompileRequested], now: datetime, *, at_once: int) -> None:
    """`at_once`: how many pieces are rendered in parallel."""
    request = message.event
    order = order_of(request)
    ahead = await desk.queue_length()
    estimate = await _estimate(desk, order, at_once)
    if not await desk.admit(request, message.cause, estimate, now):
        return
    pending = FilmUpdated(
        episode_id=request.episode_id,
        compilation_id=request.compilation_id,
        rev=1,
        state=FilmState.PENDING,
        message_code="compile.queued",
        estimated_duration_s=estimate,
        queue_position=ahead,
    )
    await desk.publish(pending, message.cause)
    for parked in await desk.unpark(request.compilation_id):
        await cancel_compilation(desk, parked)


async def _estimate(desk: Desk, order: Order, at_once: int) -> float:
    """Seconds until it is ready, if it were the next: from what is conformed already."""
    ready = await desk.conformed([item.video.object.sha256 for item in order.items], order.output)
    missing: list[Recipe] = [r for r in clip_recipes(order, "").values() if r.source.sha256 not in ready]
    return guess(order, Pace(await desk.pace()), missing).until_ready(at_once)
