"""A film is asked for: it waits for a worker, with an estimate of when it will be ready."""

from __future__ import annotations

from datetime import datetime

from services.compiler.domain.cost import Pace, chunk_seconds, units
from services.compiler.domain.order import Order, order_of
from services.compiler.domain.pieces import PieceKind, clip_recipe
from services.compiler.usecases.cancel_compilation import cancel_compilation
from services.compiler.usecases.ports import Desk
from shared.contracts.compiler import FilmState, FilmUpdated
from shared.contracts.gateway import CompileRequested
from shared.contracts.values import TransitionStyle
from shared.messaging.events import Message

DEFAULT_SECONDS = 5.0  # of a video that was never probed


async def admit_compilation(desk: Desk, message: Message[CompileRequested], now: datetime) -> None:
    request = message.event
    order = order_of(request)
    ahead = await desk.queue_length()
    estimate = await _estimate(desk, order)
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


async def _estimate(desk: Desk, order: Order) -> float:
    """Seconds of work, from what is conformed already. Windows and sound count as missing: the job knows better."""
    pace = Pace(await desk.pace())
    ready = await desk.conformed([item.video.object.sha256 for item in order.items], order.output)
    clips = windows = length = 0.0
    for item in order.items:
        seconds = item.video.media.duration_s or DEFAULT_SECONDS
        length += seconds
        recipe = clip_recipe("", item.video.object, seconds, order.output, "")
        if item.video.object.sha256 not in ready:
            clips += units(recipe)
        if item.transition_after and item.transition_after.style is not TransitionStyle.CUT:
            windows += units(recipe) / seconds * item.transition_after.duration_s
    return round(
        pace.seconds(PieceKind.CLIP, clips)
        + pace.seconds(PieceKind.WINDOW, windows)
        + pace.seconds(PieceKind.CHUNK, max(length, chunk_seconds()))
        + pace.seconds("join", length),
        1,
    )
