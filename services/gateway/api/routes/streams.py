"""The two streams of server-sent events."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Query
from starlette.responses import Response

from services.gateway.api.context import RequestContext, SignedIn
from services.gateway.api.documents import errors
from services.gateway.api.headers import accepts
from services.gateway.api.path_ids import ProjectId
from services.gateway.api.schemas.events import SnapshotEvent, stream_schema
from services.gateway.domain.accounts import Role
from services.gateway.stream.response import EventStreamResponse, Opening

router = APIRouter(tags=["events"])

_EXAMPLE: Final = (
    'retry: 2000\n\nid: 5d0c…:1042\nevent: snapshot\ndata: {"runs":[],"batches":[],"compilations":[]}\n\n'
    'id: 5d0c…:1043\nevent: progress\ndata: {"project_id":"…","episode_id":"…","status":"generating",'
    '"message":"Generating video","actor":{"kind":"system","user_id":null},"updated_at":"2026-01-01T00:00:00.000000Z",'
    '"run_id":"…","asset_id":"…","kind":"video","segment_id":"…","segment_number":1,"step":"rendering","percent":40}\n\n'
    "event: heartbeat\ndata: {}\n\n"
)
_DESCRIPTION: Final = """
Each event has a name and data, JSON on one line; the schema of the answer has the data of each name. `id` is a place in
one log: opaque, may skip. Resume with `Last-Event-ID` or `?last_event_id=`: in the log, all that came after it; none, a
snapshot; else `reset` (epoch_changed, too_old, unknown_id), then a snapshot. A heartbeat every 15 s; the stream ends
every 15 min, and EventSource comes back by itself. No URLs inside: GET the run.
"""
_DOC: Final[dict[str, Any]] = {
    "responses": errors()
    | {
        200: {
            "description": "An endless stream.",
            "content": {"text/event-stream": {"schema": stream_schema(), "example": _EXAMPLE}},
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


@router.get("/events", **_DOC, summary="preview-ready, failed, complete, film-updated and changed of all my projects")
async def of_user(context: SignedIn, header: LastEventId = None, last_event_id: Resume = None) -> Response:
    accepts(context.request, "text/event-stream")

    async def projects() -> Iterable[str]:
        async with context.single_read() as work:
            return await work.queries.project_ids()

    return _open(context, True, header or last_event_id, projects)


@router.get("/projects/{project_id}/events", **_DOC, summary="All that happens in a project")
async def of_project(
    project_id: ProjectId, context: SignedIn, header: LastEventId = None, last_event_id: Resume = None
) -> Response:
    accepts(context.request, "text/event-stream")

    async def projects() -> Iterable[str]:
        async with context.single_read() as work:
            return [(await work.require_role("project", project_id, Role.VIEWER)).project_id]

    return _open(context, False, header or last_event_id, projects)


def _open(
    context: RequestContext,
    user_wide: bool,
    last_event_id: str | None,
    projects: Callable[[], Awaitable[Iterable[str]]],
) -> Response:
    async def snapshot(project_ids: Iterable[str]) -> tuple[int, SnapshotEvent]:
        async with context.snapshot() as work:
            return await work.queries.snapshot(project_ids)

    opening = Opening(context.user_id, user_wide, last_event_id, projects, snapshot)
    return EventStreamResponse(context.state.hub, context.state.event_log, opening)
