"""`Prefer: wait=N`: holds an answer until the work rests, or the time is over."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from starlette.responses import Response

from services.gateway.api.app_state import Json
from services.gateway.api.context import RequestContext, Result, UnitOfWork, json_response
from services.gateway.api.headers import Preference
from services.gateway.domain.accounts import Resource, Role
from services.gateway.domain.runs import AT_REST

_ENDED: Final = frozenset({"completed", "failed", "cancelled"})
RESTS: Final[dict[str, frozenset[str]]] = {
    "run": frozenset(s.value for s in AT_REST),
    "batch": _ENDED | {"waiting_review", "paused"},
    "compilation": _ENDED,
    "import": _ENDED,
}
"""The statuses in which each resource rests."""


async def shown(work: UnitOfWork, resource: Resource, resource_id: str) -> Json:
    """The resource by its name; the caller may see it already."""
    match resource:
        case "run":
            return await work.views.run(resource_id)
        case "batch":
            return await work.views.batch(resource_id)
        case "compilation":
            return await work.views.compilation(resource_id)
        case "import":
            return await work.views.import_(resource_id)
        case _:
            raise ValueError(f"a {resource} does not work")


async def until_rest(context: RequestContext, resource: Resource, found: Json, seconds: float) -> Json:
    """The resource at rest, or as it is when the time is over."""
    if found["status"] in RESTS[resource]:
        return found
    latest = found

    async def look() -> Json | None:
        nonlocal latest
        latest = await context.read(lambda work: shown(work, resource, found["id"]))
        return latest if latest["status"] in RESTS[resource] else None

    with context.parts.concurrency.wait() as may:
        return await context.parts.hub.wait_for(found["project_id"], look, seconds if may else 0) or latest


def then_wait(
    context: RequestContext, resource: Resource, prefer: Preference
) -> Callable[[Result], Awaitable[Result]] | None:
    """For commands that answer 202 with the resource: 200 once it rests."""
    if not prefer.wait_s or prefer.respond_async:
        return None
    seconds = prefer.wait_s

    async def wait(answer: Result) -> Result:
        assert answer.body is not None
        found = await until_rest(context, resource, answer.body, seconds)
        if found["status"] not in RESTS[resource]:
            return replace(answer, body=found)
        return Result(200, found, {**answer.headers, **prefer.applied})

    return wait


async def get_waiting(context: RequestContext, resource: Resource, resource_id: str, prefer: Preference) -> Response:
    """A GET: always 200; says whether the preference was applied."""

    async def look(work: UnitOfWork) -> Json:
        await work.require_role(resource, resource_id, Role.VIEWER)
        return await shown(work, resource, resource_id)

    found = await context.read(look)
    if not prefer.wait_s:
        return json_response(found)
    found = await until_rest(context, resource, found, prefer.wait_s)
    return json_response(found, headers=prefer.applied)
