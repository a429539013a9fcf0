"""The streams of server-sent events."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Query
from starlette.responses import Response

from services.gateway.api.context import RequestContext, SignedIn
from services.gateway.api.documents import errors
from services.gateway.api.headers import accepts
from services.gateway.api.path_ids import EpisodeId, ProjectId
from services.gateway.api.schemas.events import SnapshotEvent, stream_examples, stream_schema
from services.gateway.domain.accounts import Caller, Role
from services.gateway.domain.event_log import Place
from services.gateway.stream.response import EventStreamResponse, Opening
from services.gateway.stream.subscriber import Grant

router = APIRouter(tags=["events"])

_DESCRIPTION: Final = """
A stream of server-sent events. Each event has a name and data: JSON on one line, whose schema depends on the name. `id`
is an opaque position in one log and may skip values. To resume, send `Last-Event-ID` or `?last_event_id=`. If the
position is in the log, all later events follow; without a position, a snapshot; otherwise a `reset` (epoch_changed,
too_old or unknown_id) and then a snapshot. A heartbeat is sent every 15 seconds. The stream ends every 15 minutes,
and with the share link that opened it; an EventSource reconnects by itself. Events contain no media URLs: GET the run.
"""
_DOC: Final[dict[str, Any]] = {
    "responses": errors()
    | {
        200: {
            "description": "The events, until the stream ends.",
            "content": {"text/event-stream": {"schema": stream_schema(), "examples": stream_examples()}},
        }
    },
    "response_class": Response,
    "description": _DESCRIPTION,
    "openapi_extra": {"security": [{"bearer": []}, {"session": []}, {"ticket": []}]},
}

LastEventId = Annotated[str | None, Header(alias="Last-Event-ID", description="The last event that was applied.")]
Resume = Annotated[
    str | None,
    Query(alias="last_event_id", description="The same, where no header can be sent; also an episode's `cursor`."),
]


@router.get(
    "/events", **_DOC, summary="Stream preview-ready, failed, complete, film-updated and changed of all my projects"
)
async def of_user(context: SignedIn, header: LastEventId = None, last_event_id: Resume = None) -> Response:
    accepts(context.request, "text/event-stream")

    async def grant() -> Grant:
        async with context.single_read() as work:
            return Grant(await work.queries.project_ids())

    return _open(context, True, header or last_event_id, grant)


@router.get("/projects/{project_id}/events", **_DOC, summary="Stream the events of a project")
async def of_project(
    project_id: ProjectId, context: SignedIn, header: LastEventId = None, last_event_id: Resume = None
) -> Response:
    accepts(context.request, "text/event-stream")

    async def grant() -> Grant:
        async with context.single_read() as work:
            return _of(await work.require_role("project", project_id, Role.VIEWER))

    return _open(context, False, header or last_event_id, grant)


@router.get("/episodes/{episode_id}/events", **_DOC, summary="Stream the events of one episode")
async def of_episode(
    episode_id: EpisodeId, context: SignedIn, header: LastEventId = None, last_event_id: Resume = None
) -> Response:
    accepts(context.request, "text/event-stream")

    async def grant() -> Grant:
        async with context.single_read() as work:
            return _of(await work.require_role("episode", episode_id, Role.VIEWER))

    return _open(context, False, header or last_event_id, grant, episode_id)


def _of(caller: Caller) -> Grant:
    return Grant([caller.project_id], caller.until)


def _open(
    context: RequestContext,
    user_wide: bool,
    last_event_id: str | None,
    grant: Callable[[], Awaitable[Grant]],
    episode_id: str | None = None,
) -> Response:
    async def snapshot(project_ids: Iterable[str]) -> tuple[Place, SnapshotEvent]:
        async with context.snapshot() as work:
            return await work.queries.snapshot(project_ids, episode_id)

    opening = Opening(context.user_id, user_wide, last_event_id, grant, snapshot, episode_id)
    return EventStreamResponse(context.state.hub, context.state.event_log, opening)
