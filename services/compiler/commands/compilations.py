"""Compilations: admitted into the queue, cancelled, and failed when they expire."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from services.compiler.commands.assembly import clip_recipes
from services.compiler.commands.estimates import estimate_from_order
from services.compiler.planning.film_order import FilmOrder, order_from_request
from services.compiler.planning.pieces import Recipe
from services.compiler.planning.render_speed import RenderSpeed
from services.compiler.store.compilations import CompilationRepository
from shared.contracts.events.compiler import FilmState, FilmUpdated
from shared.contracts.events.gateway import CancelRequested, CancelTarget, CompileRequested
from shared.contracts.messages import problem_text
from shared.contracts.values import Problem
from shared.core.errors import Permanent
from shared.messaging.dead_letters import DeadLetter
from shared.messaging.events import Message

EXPIRED: Final = Problem(code="compile_expired", **problem_text("compile_expired")._asdict(), retryable=True)


async def admit_compilation(
    compilations: CompilationRepository, message: Message[CompileRequested], now: datetime, *, at_once: int
) -> None:
    """Queues a film with an estimate of when it will be ready. `at_once`: how many pieces are rendered in parallel.

    A cancellation that arrived before the request is applied now.
    """
    request = await compilations.with_known_texts(message.event)
    ahead = await compilations.queue_length()
    estimate_s = await _estimate(compilations, order_from_request(request), at_once)
    if not await compilations.admit(request, message.cause, estimate_s, now):
        return
    pending = FilmUpdated(
        episode_id=request.episode_id,
        compilation_id=request.compilation_id,
        rev=1,
        state=FilmState.PENDING,
        message_code="compile.queued",
        estimated_duration_s=estimate_s,
        queue_position=ahead,
    )
    await compilations.publish(pending, message.cause)
    for parked in await compilations.unpark(request.compilation_id):
        await cancel_compilation(compilations, parked)


async def cancel_compilation(compilations: CompilationRepository, message: Message[CancelRequested]) -> None:
    """Stops a film's ffmpeg; the pieces rendered so far are kept for the next film.

    A cancellation that comes too late is ignored; one that comes too early is parked until its compilation arrives.
    """
    event = message.event
    if event.target is not CancelTarget.COMPILATION:
        return
    if not await compilations.exists(event.target_id):
        await compilations.park(event.target_id, message)
    elif cancelled := await compilations.cancel(event.target_id):
        await compilations.publish(cancelled.updated(), cancelled.cause)


async def refuse_request(compilations: CompilationRepository, letter: DeadLetter) -> None:
    """Publishes the failure of a compilation whose request cannot be read, so that no one waits for it forever.

    Raises Permanent `nothing_to_fail` if the record does not name the compilation.
    """
    request = letter.json()
    try:
        failed = FilmUpdated(
            episode_id=request.get("episode_id") or letter.key,
            compilation_id=request.get("compilation_id") or letter.subject,
            rev=1,
            state=FilmState.FAILED,
            message_code="compile.failed",
            problem=Problem(
                code="request_unreadable",
                **problem_text("compile_request_unreadable", cause=letter.cause.get("cause", ""))._asdict(),
                retryable=False,
            ),
        )
    except ValueError as error:
        raise Permanent("nothing_to_fail", str(error)) from error
    await compilations.publish(failed, letter.as_cause())


async def expire_compilations(compilations: CompilationRepository, now: datetime) -> int:
    """Fails every compilation past its expiry: the versions it pinned may be deleted soon. Returns how many."""
    count = 0
    for compilation_id in await compilations.expired(now):
        if failed := await compilations.fail(compilation_id, EXPIRED):
            await compilations.publish(failed.updated("compile.failed", EXPIRED), failed.cause)
            count += 1
    return count


async def _estimate(compilations: CompilationRepository, order: FilmOrder, at_once: int) -> float:
    """Seconds until the film is ready if its turn comes next, given which clips are conformed already."""
    ready = await compilations.conformed([item.video.object.sha256 for item in order.items], order.output)
    missing: list[Recipe] = [r for r in clip_recipes(order, "").values() if r.source.sha256 not in ready]
    return estimate_from_order(order, RenderSpeed(await compilations.render_speed()), missing).until_ready(at_once)
