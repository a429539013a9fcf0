"""Keeps cookies away from services that have no use for them."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send


class WithoutCookies:
    """An ASGI app whose requests have no Cookie header. The framework reads the cookies of every request, and unquoting
    a value of backslashes and quotes takes time that is quadratic in its length (CVE-2024-7592)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope["headers"] = [(name, value) for name, value in scope["headers"] if name != b"cookie"]
        await self._app(scope, receive, send)
