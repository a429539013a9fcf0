"""Compresses JSON (gzip). Media are compressed already and are read in ranges; event streams go out as they come."""

from __future__ import annotations

import asyncio
import gzip
import re
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.gateway.api.middleware.errors import header

MIN_BYTES: Final = 1024  # below that, a packet is not filled either way
LEVEL: Final = 4  # a usual choice for answers made per request; the figures are in docs/operations/performance.md
THREAD_BYTES: Final = 64 * 1024  # takes about a millisecond: more would hold up other requests
_TYPES: Final = (b"application/json", b"application/problem+json")
_GZIP: Final = re.compile(r"(?:^|,)\s*(?:gzip|x-gzip|\*)\s*(?:;\s*q\s*=\s*([0-9.]+)\s*)?(?=,|$)", re.IGNORECASE)
_NEVER: Final = "/auth/"
"""Tokens and tickets: their length must not tell of their content."""


class CompressionMiddleware:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _NEVER in scope["path"]:
            await self._app(scope, receive, send)
            return
        is_wanted = accepts_gzip(header(scope, b"accept-encoding"))
        start: Message | None = None

        async def compressed(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and _is_json(message):
                start = message  # its headers depend on the body
            elif start is None:
                await send(message)
            else:
                begun, start = start, None
                if is_wanted and not message.get("more_body") and len(message.get("body", b"")) >= MIN_BYTES:
                    begun, message = await _compress(begun, message)
                begun["headers"] = [*begun["headers"], (b"vary", b"Accept-Encoding")]
                await send(begun)
                await send(message)

        await self._app(scope, receive, compressed)


async def _compress(start: Message, message: Message) -> tuple[Message, Message]:
    body: bytes = message["body"]
    if len(body) < THREAD_BYTES:
        packed = _gzip(body)
    else:
        packed = await asyncio.to_thread(_gzip, body)
    headers = [(name, value) for name, value in start["headers"] if name != b"content-length"]
    headers += [(b"content-encoding", b"gzip"), (b"content-length", str(len(packed)).encode())]
    return {**start, "headers": headers}, {**message, "body": packed}


def _gzip(body: bytes) -> bytes:
    return gzip.compress(body, LEVEL, mtime=0)


def accepts_gzip(accepted: str | None) -> bool:
    """By Accept-Encoding (RFC 9110, 12.5.3). None: the client does not say, and gets what everyone can read."""
    found = _GZIP.search(accepted or "")
    return found is not None and (found[1] is None or _quality(found[1]) > 0)


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _is_json(start: Message) -> bool:
    headers = dict(start.get("headers", ()))
    return headers.get(b"content-type", b"").split(b";")[0] in _TYPES and b"content-encoding" not in headers
