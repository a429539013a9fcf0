"""Waits for a version that is accepted and not committed yet, before a command that builds on it is tried again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from starlette.responses import Response

from services.gateway.api.context import RequestContext
from services.gateway.domain.errors import AwaitsCommit
from services.gateway.domain.runs import RunStatus

COMMIT_S: Final = 5.0  # an accepted version is usually committed within milliseconds


async def retry_after_commit(context: RequestContext, attempt: Callable[[], Awaitable[Response]]) -> Response:
    """Calls `attempt` a second time if it raises AwaitsCommit, when that version is committed or after five seconds.

    Raises AwaitsCommit if it is still not committed then.
    """
    try:
        return await attempt()
    except AwaitsCommit as refusal:
        await until_committed(context, refusal)
    return await attempt()


async def until_committed(context: RequestContext, refusal: AwaitsCommit, seconds: float | None = None) -> None:
    """Returns when that version is committed or given up, or after `seconds` (None: five)."""

    async def look() -> bool | None:
        async with context.single_read() as work:
            run = await work.store.runs.get(refusal.run_id)
        return True if run is None or run.status is not RunStatus.ACCEPTED else None

    with context.state.concurrency.wait() as admitted:
        await context.state.hub.wait_for(
            refusal.project_id, look, (COMMIT_S if seconds is None else seconds) if admitted else 0
        )
