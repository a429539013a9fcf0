"""The outermost layers of the app, plain ASGI: trace and crash handling, the host check of local mode, metrics."""

from __future__ import annotations

import time
from typing import Final

import structlog
from opentelemetry.trace import Span, SpanKind, StatusCode
from prometheus_client import Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.gateway.api import problems
from services.gateway.api.middleware.request_heads import host_name, read_head
from services.gateway.api.problems import ProblemError
from services.gateway.domain.problems import Slug
from services.gateway.stream.response import LATER, PLAIN_SEND
from shared.contracts.messages import problem_text
from shared.observability.tracing import span

log = structlog.get_logger(__name__)

LOCAL_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})

_OWN_HEAD: Final = ("/events", "/content", "/proxy", "/poster", "/filmstrip")
"""Ends of paths whose HEAD is not a GET without its body: streams have none, media answer without reading."""

_NEEDED: Final = frozenset({"type", "asgi", "http_version", "method", "path"})

REQUESTS = Histogram(
    "retake_http_request_seconds",
    "Time to the end of an answer (streams and media: to its start)",
    ["method", "route", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60),
)


class ErrorMiddleware:
    """Around everything else, the framework's own error handling too."""

    def __init__(self, app: ASGIApp, *, local_mode: bool) -> None:
        self._app = app
        self._local_mode = local_mode

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["method"] == "HEAD" and not scope["path"].endswith(_OWN_HEAD):
            scope = {**scope, "method": "GET"}  # the server itself still knows that no body is wanted
        scope[PLAIN_SEND], scope[LATER] = send, None
        await self._answer(scope, receive, send)
        if (later := scope[LATER]) is not None:
            for key in scope.keys() - _NEEDED:
                del scope[key]
            await later()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        started_at = time.perf_counter()
        status, complete = 0, False

        async def watched(message: Message) -> None:
            nonlocal status, complete
            complete = message["type"] == "http.response.body" and not message.get("more_body", False)
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-content-type-options", b"nosniff")]
            await send(message)

        with span(
            scope["method"],
            traceparent=header(scope, b"traceparent"),
            kind=SpanKind.SERVER,
            attributes={
                "http.request.method": scope["method"],
                "url.scheme": scope.get("scheme", "http"),
                "url.path": scope["path"],
            },
        ) as current:
            try:
                read_head(scope)
                if host_of(scope) is None and header(scope, b"host"):
                    text = problem_text("host_malformed")
                    raise ProblemError(
                        Slug.MALFORMED, text.cause, recovery=text.recovery, headers={"Connection": "close"}
                    )
                if self._local_mode and host_of(scope) not in LOCAL_HOSTS:
                    text = problem_text("host_not_local")
                    raise ProblemError(Slug.MALFORMED, text.cause, recovery=text.recovery)
                await self._app(scope, receive, watched)
            except Exception as e:
                if complete:  # the framework raises again what our handler has answered and logged
                    return
                if status:  # the answer has begun: all that can be done is to cut it off
                    log.error("http.cut_off", path=scope["path"], exc_info=e)
                    raise
                problem = problems.of(e)
                if problem.slug is Slug.INTERNAL:
                    log.error("http.crashed", path=scope["path"], method=scope["method"], exc_info=e)
                await problems.render(problem, scope["path"])(scope, receive, watched)
            finally:
                self._tell(scope, status, time.perf_counter() - started_at)
                if current.is_recording():
                    _describe(current, scope, status)

    def _tell(self, scope: Scope, status: int, seconds: float) -> None:
        """Never the query: it may hold a ticket or a signature."""
        route = getattr(scope.get("route"), "path", "unknown")
        REQUESTS.labels(scope["method"], route, status).observe(seconds)
        if route not in ("/health/live", "/health/ready", "/metrics"):
            log.info(
                "http.request", method=scope["method"], path=scope["path"], status=status, ms=round(seconds * 1000, 1)
            )


def _describe(current: Span, scope: Scope, status: int) -> None:
    """Name and attributes that are known after routing, by the OpenTelemetry semantic conventions for HTTP."""
    if route := getattr(scope.get("route"), "path", None):
        current.update_name(f"{scope['method']} {route}")
        current.set_attribute("http.route", route)
    if status:
        current.set_attribute("http.response.status_code", status)
    if status >= 500:
        current.set_status(StatusCode.ERROR)


def header(scope: Scope, name: bytes) -> str | None:
    """The first header of that (lower-case) name."""
    for key, value in scope["headers"]:
        if key == name:
            return str(value.decode("latin-1"))
    return None


def host_of(scope: Scope) -> str | None:
    """The name that the Host header gives us; None: there is none, or it is no host."""
    return host_name(header(scope, b"host") or "")


def origin_of(scope: Scope) -> str:
    """scheme://host:port as the client sees us, without a proxy's rewriting."""
    return f"{scope['scheme']}://{header(scope, b'host') or 'localhost'}"
