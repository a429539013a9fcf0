"""`Prefer: wait=N`: holds an answer until the work rests, or the time is over."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from starlette.responses import Response

from services.gateway.api.context import Answer, Call, Doing, json_response
from services.gateway.api.headers import Preference
from services.gateway.api.ports import Json
from services.gateway.commands.ports import Resource
from services.gateway.domain.roles import Role
from services.gateway.domain.runs import AT_REST

_ENDED: Final = frozenset({"completed", "failed", "cancelled"})
RESTS: Final[dict[str, frozenset[str]]] = {
    "run": frozenset(s.value for s in AT_REST),
    "batch": _ENDED | {"waiting_review", "paused"},
    "compilation": _ENDED,
    "import": _ENDED,
}
"""The statuses in which each resource rests."""


async def shown(d: Doing, resource: Resource, resource_id: str) -> Json:
    """The resource by its name; the caller may see it already."""
    match resource:
        case "run":
            return await d.views.run(resource_id)
        case "batch":
            return await d.views.batch(resource_id)
        case "compilation":
            return await d.views.compilation(resource_id)
        case "import":
            return await d.views.import_(resource_id)
        case _:
            raise ValueError(f"a {resource} does not work")


async def until_rest(call: Call, resource: Resource, found: Json, seconds: float) -> Json:
    """The resource at rest, or as it is when the time is over."""
    if found["status"] in RESTS[resource]:
        return found
    latest = found

    async def look() -> Json | None:
        nonlocal latest
        latest = await call.read(lambda d: shown(d, resource, found["id"]))
        return latest if latest["status"] in RESTS[resource] else None

    with call.parts.slots.wait() as may:
        return await call.parts.hub.wait_for(found["project_id"], look, seconds if may else 0) or latest


def then_wait(call: Call, resource: Resource, prefer: Preference) -> Callable[[Answer], Awaitable[Answer]] | None:
    """For commands that answer 202 with the resource: 200 once it rests."""
    if not prefer.wait_s or prefer.respond_async:
        return None
    seconds = prefer.wait_s

    async def wait(answer: Answer) -> Answer:
        assert answer.body is not None
        found = await until_rest(call, resource, answer.body, seconds)
        if found["status"] not in RESTS[resource]:
            return replace(answer, body=found)
        return Answer(200, found, {**answer.headers, **prefer.applied})

    return wait


async def get_waiting(call: Call, resource: Resource, resource_id: str, prefer: Preference) -> Response:
    """A GET: always 200; says whether the preference was applied."""

    async def look(d: Doing) -> Json:
        await d.may(resource, resource_id, Role.VIEWER)
        return await shown(d, resource, resource_id)

    found = await call.read(look)
    if not prefer.wait_s:
        return json_response(found)
    found = await until_rest(call, resource, found, prefer.wait_s)
    return json_response(found, headers=prefer.applied)
