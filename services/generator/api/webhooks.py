"""The webhooks of providers: POST /webhooks/NAME. They change no state; they only make the generator poll at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, assert_never

import structlog
from fastapi import APIRouter, Request, Response

from services.generator.providers.base import Provider, WebhookReceiver, WebhookResult

log = structlog.get_logger(__name__)

MAX_BODY: Final = 8 << 20  # bytes; Replicate repeats the input of a prediction, including its data URIs


def webhook_routes(providers: Mapping[str, Provider]) -> APIRouter:
    """One route for each provider that has webhooks."""
    router = APIRouter(tags=["webhooks"])
    for name, provider in providers.items():
        if provider.webhook:
            endpoint = _endpoint(name, provider.webhook)
            router.post(f"/webhooks/{name}", status_code=204, summary=f"A webhook of {name}")(endpoint)
    return router


def _endpoint(name: str, receive: WebhookReceiver) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        body = await _body(request)
        if body is None:
            return Response(status_code=413)
        match receive(request.headers, body):
            case WebhookResult.ACCEPTED:
                return Response(status_code=204)
            case WebhookResult.FORGED:
                log.warning("webhook.forged", provider=name, size=len(body))
                return Response(status_code=401)
            case WebhookResult.UNREADABLE:
                return Response(status_code=400)
            case unknown:
                assert_never(unknown)

    return endpoint


async def _body(request: Request) -> bytes | None:
    """None if it is larger than `MAX_BODY`."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            return None
    return bytes(body)
