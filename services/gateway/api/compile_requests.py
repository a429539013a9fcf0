"""Requests for a film: their command, the wait for versions that are being committed, and for an estimate."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from starlette.responses import Response

from services.gateway.api.await_commit import COMMIT_S
from services.gateway.api.context import RequestContext
from services.gateway.api.headers import Preference
from services.gateway.api.idempotency import Wait
from services.gateway.api.responses import Result
from services.gateway.api.schemas.films import Compilation, CompilationStarted, NewCompilation, Render
from services.gateway.commands.films import CompileEpisode
from services.gateway.domain.films import Boundary

ESTIMATE_S: Final = 0.5  # the compiler sends its estimate within tenths of a second; clients need not wait longer


class StillCommittingError(Exception):
    """Some versions are accepted and not yet committed; rolls the transaction back."""


def compile_command(episode_id: str, body: NewCompilation | Render) -> CompileEpisode:
    transitions = [Boundary(t.after_segment_id, t.style, t.duration) for t in body.transitions]
    return CompileEpisode(
        episode_id, body.segment_ids, body.transition_style, transitions, body.audio_config.value(), body.captions
    )


def until_estimate(project_id: str) -> Wait:
    """Waits for the compiler's own estimate, which knows the pieces that exist and the speed of rendering."""

    async def wait(context: RequestContext, prefer: Preference, result: Result) -> Result:
        if prefer.respond_async:
            return result
        assert isinstance(result.body, CompilationStarted)
        started = result.body

        async def begun() -> Compilation | None:
            async with context.snapshot() as work:
                film = await work.queries.compilation(started.compilation_job_id)
            return film if film.status != "pending" else None

        with context.state.concurrency.wait() as admitted:
            film = await context.state.hub.wait_for(project_id, begun, ESTIMATE_S if admitted else 0)
        if film is None or film.estimated_duration is None:
            return result
        return replace(result, body=started.model_copy(update={"estimated_duration": film.estimated_duration}))

    return wait


async def retry_while_committing(
    context: RequestContext, project_id: str, attempt: Callable[[bool], Awaitable[Response]]
) -> Response:
    """Calls `attempt(last_try)` again after every event of the project while it raises StillCommittingError, for five
    seconds."""

    async def response() -> Response | None:
        try:
            return await attempt(False)
        except StillCommittingError:
            return None

    with context.state.concurrency.wait() as admitted:
        found = await context.state.hub.wait_for(project_id, response, COMMIT_S if admitted else 0)
    return found or await attempt(True)
