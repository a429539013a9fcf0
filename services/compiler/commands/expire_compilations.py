"""A compilation that is not finished when it expires fails: what it pinned may be gone soon."""

from __future__ import annotations

from datetime import datetime

from services.compiler.commands.ports import Desk
from shared.contracts.events.compiler import FilmUpdated
from shared.contracts.values import Problem

EXPIRED = Problem(
    code="compile_expired",
    cause="The film was not finished in time.",
    recovery="Compile again. If it happens again, look at the compiler's log.",
    retryable=True,
)


async def expire_compilations(desk: Desk, now: datetime) -> int:
    """Returns how many expired."""
    count = 0
    for compilation_id in await desk.expired(now):
        count += await fail_compilation(desk, compilation_id, EXPIRED)
    return count


async def fail_compilation(desk: Desk, compilation_id: str, problem: Problem) -> bool:
    failed = await desk.fail(compilation_id, problem)
    if failed is None:
        return False
    event = FilmUpdated(
        episode_id=failed.episode_id,
        compilation_id=failed.compilation_id,
        rev=failed.rev,
        state=failed.state,
        progress=failed.progress,
        message_code="compile.failed",
        problem=problem,
    )
    await desk.publish(event, failed.cause)
    return True
