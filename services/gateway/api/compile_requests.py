"""From a request for a film to the use case, and the wait for what is just being committed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from starlette.responses import Response

from services.gateway.api.app_state import Json
from services.gateway.api.context import RequestContext, Result
from services.gateway.api.schemas.episodes import NewCompilation, Render
from services.gateway.commands.films import CompileEpisode
from services.gateway.domain.films import Boundary

COMMIT_S: Final = 5.0  # a version that is accepted when a film is asked for mostly is committed within milliseconds
TOLD_S: Final = 0.5  # the compiler says within tenths how long it will take; whoever asked need not wait for more


class StillWorking(Exception):
    """Versions are accepted and not yet committed; undoes the transaction."""


def compile_of(episode_id: str, body: NewCompilation | Render) -> CompileEpisode:
    transitions = [Boundary(t.after_segment_id, t.style, t.duration) for t in body.transitions]
    return CompileEpisode(
        episode_id, body.segment_ids, body.transition_style, transitions, body.audio_config.value(), body.captions
    )


def then_estimate(context: RequestContext, project_id: str) -> Callable[[Result], Awaitable[Result]]:
    """The compiler looks which pieces are there and knows its pace: its estimate is better than the gateway's guess."""

    async def wait(answer: Result) -> Result:
        assert answer.body is not None
        body = answer.body

        async def look() -> Json | None:
            found = await context.read(lambda work: work.views.compilation(body["compilation_job_id"]))
            return found if found["status"] != "pending" else None

        with context.parts.concurrency.wait() as may:
            found = await context.parts.hub.wait_for(project_id, look, TOLD_S if may else 0)
        if found is None or found["estimated_duration"] is None:
            return answer
        return replace(answer, body=body | {"estimated_duration": found["estimated_duration"]})

    return wait


async def patiently(
    context: RequestContext, project_id: str, attempt: Callable[[bool], Awaitable[Response]]
) -> Response:
    """`attempt(last_try)` again after every event of the project while it raises StillWorking, for five seconds."""

    async def look() -> Response | None:
        try:
            return await attempt(False)
        except StillWorking:
            return None

    with context.parts.concurrency.wait() as may:
        found = await context.parts.hub.wait_for(project_id, look, COMMIT_S if may else 0)
    return found or await attempt(True)
