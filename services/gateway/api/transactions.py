"""`@transactional`: a route as one transaction."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, Final

from starlette.responses import Response

from services.gateway.api.context import RequestContext, SignedIn, UnitOfWork
from services.gateway.api.responses import Result


class DryRun(Exception):
    """Ends a transaction without its effects, and without storing anything under an idempotency key."""

    def __init__(self, result: Result) -> None:
        super().__init__("dry run")
        self.result = result


Route = Callable[..., Awaitable[Result]]
"""A route that works within a transaction: its parameter `work` is the UnitOfWork, the others are FastAPI's."""
Endpoint = Callable[..., Awaitable[Response]]

_WORK: Final = "work"


def transactional(route: Route) -> Endpoint:
    """Runs a PATCH, PUT or DELETE in one transaction, which is opened after the request was validated."""

    async def run(context: RequestContext, effect: Callable[[UnitOfWork], Awaitable[Result]]) -> Response:
        return (await context.transaction(effect)).response()

    return endpoint(route, run)


def endpoint(route: Route, run: Callable[..., Awaitable[Response]], **dependencies: Any) -> Endpoint:
    """The function that FastAPI calls: it has the parameters of `route` without `work`, the request's context, and
    `dependencies` (by name, as annotations). It hands the context, `route` as a function of `work` alone, and the
    values of the dependencies to `run`."""
    signature = inspect.signature(route, eval_str=True)
    added = {"context": SignedIn, **dependencies}
    parameters = [p for p in signature.parameters.values() if p.name != _WORK]
    parameters += [inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY, annotation=a) for n, a in added.items()]

    @wraps(route)
    async def call(**arguments: Any) -> Response:
        extra = {name: arguments.pop(name) for name in added}
        context = extra.pop("context")

        async def effect(work: UnitOfWork) -> Result:
            return await route(work=work, **arguments)

        return await run(context, effect, **extra)

    keyword_only = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters]
    call.__signature__ = signature.replace(parameters=keyword_only, return_annotation=Response)  # type: ignore[attr-defined]
    return call
