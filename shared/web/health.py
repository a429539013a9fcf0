"""The routes /health/live, /health/ready and /metrics, the same in every service."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from shared.observability.metrics import BROKER_UP, SERVICE_READY
from shared.postgres.probe import UNREACHABLE, DatabaseProbe, explained, schema_problem

CHECK_TIMEOUT_S: Final = 2.0

Check = Callable[[], Awaitable[str | None]]
"""Returns the problem, or None if there is none."""


@dataclass
class Health:
    """`required` checks decide readiness; `informative` ones are only shown. `draining` ends readiness at shutdown."""

    service: str
    required: Mapping[str, Check]
    informative: Mapping[str, Check] = field(default_factory=dict)
    draining: bool = False
    _running: asyncio.Task[tuple[bool, dict[str, str]]] | None = field(default=None, init=False, repr=False)

    async def report(self) -> tuple[bool, dict[str, str]]:
        """Whether the service is ready, and for each check `ok` or its problem. Callers at the same time share one
        round of checks, so that asking often costs the database nothing."""
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._check(), name="health")
        return await asyncio.shield(self._running)

    async def _check(self) -> tuple[bool, dict[str, str]]:
        names = [*self.required, *self.informative]
        problems = await asyncio.gather(
            *(_bounded(check) for check in (*self.required.values(), *self.informative.values()))
        )
        checks = {name: problem or "ok" for name, problem in zip(names, problems, strict=True)}
        if self.draining:
            checks["draining"] = "shutting down"
        ready = not self.draining and all(checks[name] == "ok" for name in self.required)
        SERVICE_READY.labels(self.service).set(ready)
        if "relay" in checks:
            BROKER_UP.labels(self.service).set(checks["relay"] == "ok")
        return ready, checks


async def _bounded(check: Check) -> str | None:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            return await check()
    except TimeoutError:
        return f"no answer within {CHECK_TIMEOUT_S:.0f} s"
    except Exception as e:  # a health check reports, it never raises
        return repr(e)


def database_check(probe: DatabaseProbe, service: str, version: str) -> Check:
    """The database answers and has at least this migration (the number before the underscore)."""

    async def check() -> str | None:
        try:
            problem = await schema_problem(probe.fetchval, service, version)
        except UNREACHABLE as error:
            problem = explained(error, f"{service.upper()}_DATABASE_URL")
        return "; ".join(problem) if problem else None

    return check


def problem_check(problem: Callable[[], str | None]) -> Check:
    """A check that returns what `problem` returns."""

    async def check() -> str | None:
        return problem()

    return check


_OPEN: Final[dict[str, Any]] = {"security": []}
_READY_EXAMPLE: Final = {"status": "ready", "checks": {"database": "ok", "relay": "ok", "consumer": "ok"}}
_METRICS_EXAMPLE: Final = '# TYPE retake_ready gauge\nretake_ready{service="gateway"} 1.0\n'


def _response(example: dict[str, Any], description: str = "Success") -> dict[str, Any]:
    """A response with `status`, and `checks` if the example has them."""
    checks = {"checks": {"type": "object", "additionalProperties": {"type": "string"}}} if "checks" in example else {}
    schema = {"type": "object", "required": list(example), "properties": {"status": {"type": "string"}} | checks}
    return {"description": description, "content": {"application/json": {"schema": schema, "example": example}}}


def health_routes(health: Callable[[], Health]) -> APIRouter:
    """All of them, for a port that only operators reach."""
    router = liveness_route()
    router.include_router(operations_routes(health))
    return router


def liveness_route() -> APIRouter:
    router = APIRouter(tags=["operations"])

    @router.get(
        "/health/live",
        summary="Check that the process is alive",
        openapi_extra=_OPEN,
        responses={200: _response({"status": "alive"})},
    )
    async def live() -> dict[str, str]:
        """For liveness probes. It checks no dependency, so a fault elsewhere does not restart this service."""
        return {"status": "alive"}

    return router


def operations_routes(health: Callable[[], Health]) -> APIRouter:
    router = APIRouter(tags=["operations"])

    @router.get(
        "/health/ready",
        summary="Check that the service is ready",
        openapi_extra=_OPEN,
        responses={
            200: _response(_READY_EXAMPLE),
            503: _response(_READY_EXAMPLE | {"status": "unavailable"}, "The service is not ready: `checks` says why."),
        },
    )
    async def ready() -> JSONResponse:
        """For readiness probes. `checks` has `ok` or the problem of each dependency, also of those that do not affect
        readiness."""
        is_ready, checks = await health().report()
        body = {"status": "ready" if is_ready else "unavailable", "checks": checks}
        return JSONResponse(body, status_code=200 if is_ready else 503)

    @router.get(
        "/metrics",
        summary="Get the Prometheus metrics",
        openapi_extra=_OPEN,
        response_class=PlainTextResponse,
        responses={200: {"content": {"text/plain": {"example": _METRICS_EXAMPLE}}}},
    )
    async def metrics() -> Response:
        """In the Prometheus text format."""
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return router
