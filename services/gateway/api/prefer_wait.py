"""`Prefer: wait=N`: holds a response until the work has come to rest, or the time is over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final, Literal

from starlette.responses import Response

from services.gateway.api.context import RequestContext, UnitOfWork
from services.gateway.api.headers import Preference
from services.gateway.api.idempotency import Wait
from services.gateway.api.responses import Result, json_response
from services.gateway.api.schemas.batches import Batch
from services.gateway.api.schemas.films import Compilation
from services.gateway.api.schemas.imports import Import
from services.gateway.api.schemas.runs import Run
from services.gateway.domain.accounts import Role
from services.gateway.domain.runs import AT_REST

Kind = Literal["run", "batch", "compilation", "import"]
Work = Run | Batch | Compilation | Import

_ENDED: Final = frozenset({"completed", "failed", "cancelled"})
RESTS: Final[Mapping[Kind, frozenset[str]]] = {
    "run": frozenset(s.value for s in AT_REST),
    "batch": _ENDED | {"waiting_review", "paused"},
    "compilation": _ENDED,
    "import": _ENDED,
}
"""The statuses in which each kind of work is at rest."""


async def read(work: UnitOfWork, kind: Kind, resource_id: str) -> Work:
    """The resource; the caller has checked that the user may see it."""
    match kind:
        case "run":
            return await work.queries.run(resource_id)
        case "batch":
            return await work.queries.batch(resource_id)
        case "compilation":
            return await work.queries.compilation(resource_id)
        case "import":
            return await work.queries.import_(resource_id)


async def _until_rest(context: RequestContext, kind: Kind, resource: Work, seconds: float) -> Work:
    """The resource at rest, or as it is when the time is over."""
    if resource.status in RESTS[kind]:
        return resource
    latest = resource

    async def at_rest() -> Work | None:
        nonlocal latest
        async with context.snapshot() as work:
            latest = await read(work, kind, resource.id)
        return latest if latest.status in RESTS[kind] else None

    with context.state.concurrency.wait() as admitted:
        seconds = seconds if admitted else 0
        return await context.state.hub.wait_for(resource.project_id, at_rest, seconds) or latest


def until_rest(kind: Kind) -> Wait:
    """For commands that answer 202 with the resource: 200 once it is at rest."""

    async def wait(context: RequestContext, prefer: Preference, result: Result) -> Result:
        if not prefer.wait_s or prefer.respond_async:
            return result
        assert isinstance(result.body, Work)
        resource = await _until_rest(context, kind, result.body, prefer.wait_s)
        if resource.status not in RESTS[kind]:
            return replace(result, body=resource)
        return Result(200, resource, {**result.headers, **prefer.applied})

    return wait


async def get_at_rest(context: RequestContext, kind: Kind, resource_id: str, prefer: Preference) -> Response:
    """A GET: always 200, and `Preference-Applied` if it waited."""
    async with context.snapshot() as work:
        await work.require_role(kind, resource_id, Role.VIEWER)
        resource = await read(work, kind, resource_id)
    if not prefer.wait_s:
        return json_response(resource)
    return json_response(await _until_rest(context, kind, resource, prefer.wait_s), headers=prefer.applied)
