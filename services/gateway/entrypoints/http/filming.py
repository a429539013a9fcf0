"""From a request for a film to the use case, and the wait for what is just being committed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from starlette.responses import Response

from services.gateway.domain.films import Boundary
from services.gateway.entrypoints.http.answers import Call
from services.gateway.entrypoints.http.shapes.episodes import NewCompilation, Render
from services.gateway.usecases.compile_episode import Compile

COMMIT_S: Final = 5.0  # a version that is accepted when a film is asked for mostly is committed within milliseconds


class StillWorking(Exception):
    """Versions are accepted and not yet committed; undoes the transaction."""


def compile_of(episode_id: str, body: NewCompilation | Render) -> Compile:
    transitions = [Boundary(t.after_segment_id, t.style, t.duration) for t in body.transitions]
    return Compile(episode_id, body.segment_ids, body.transition_style, transitions, body.audio_config.value(),
                   body.captions)


async def patiently(call: Call, project_id: str, attempt: Callable[[bool], Awaitable[Response]]) -> Response:
    """`attempt(last_try)` again after every event of the project while it raises StillWorking, for five seconds."""

    async def look() -> Response | None:
        try:
            return await attempt(False)
        except StillWorking:
            return None

    with call.parts.slots.wait() as may:
        found = await call.parts.hub.wait_for(project_id, look, COMMIT_S if may else 0)
    return found or await attempt(True)
