"""Until the gateway has what it needs, every request is told to come back; the health checks say what it waits for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from services.gateway.api.problems import render, unavailable
from shared.contracts.messages import message

_ANSWERED_ANYWAY: Final = ("/health/", "/metrics")


class StartingMiddleware:
    """Lies outside everything that needs the app's state."""

    def __init__(self, app: ASGIApp, has_started: Callable[[], bool]) -> None:
        self._app = app
        self._has_started = has_started

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._has_started() or scope["path"].startswith(_ANSWERED_ANYWAY):
            await self._app(scope, receive, send)
            return
        await render(unavailable(message("problem.starting")), scope["path"])(scope, receive, send)
