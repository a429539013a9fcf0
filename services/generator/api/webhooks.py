"""What providers tell us: POST /webhooks/replicate. It changes nothing; the prediction is looked at at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Final

import structlog
from fastapi import APIRouter, Request, Response

from services.generator.providers.replicate.webhooks import is_genuine
from shared.core.clock import Clock

log = structlog.get_logger(__name__)

BODY_MOST: Final = 8 << 20  # a prediction repeats its input, data URIs included


def webhook_routes(keys: Sequence[bytes], ring: Callable[[str], bool], clock: Clock) -> APIRouter:
    """Without keys every webhook is refused: nobody can tell who sent it."""
    router = APIRouter()

    @router.post("/webhooks/replicate", status_code=204, summary="A prediction ended", tags=["webhooks"])
    async def replicate(request: Request) -> Response:
        body = await _body(request)
        if body is None:
            return Response(status_code=413)
        if not is_genuine(request.headers, body, keys, clock.now()):
            log.warning("webhook.refused", size=len(body))
            return Response(status_code=401)
        prediction_id = _id_in(body)
        if prediction_id is None:
            return Response(status_code=400)
        log.info("webhook.taken", prediction_id=prediction_id, awaited=ring(prediction_id))
        return Response(status_code=204)

    return router


async def _body(request: Request) -> bytes | None:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_MOST:
            return None
    return bytes(body)


def _id_in(body: bytes) -> str | None:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    prediction_id = found.get("id") if isinstance(found, dict) else None
    return prediction_id if isinstance(prediction_id, str) else None
