"""Verifies Replicate's webhooks and reads their prediction ids.

https://replicate.com/docs/topics/webhooks/verify-webhook

The `replicate` client validates signatures, but it accepts a signature of any version. So it is given the `v1` ones
only, and a stricter check of our own must agree.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

import structlog

from services.generator.providers.base import WebhookReceiver, WebhookResult
from shared.core.clock import Clock

log = structlog.get_logger(__name__)

TOLERANCE_S: Final = 300
PREFIX: Final = "whsec_"
MAX_SIGNATURES: Final = 8


def webhook_receiver(secrets: Sequence[str], completed: Callable[[str], bool], clock: Clock) -> WebhookReceiver:
    """Calls `completed` with the id of each prediction. Without secrets every webhook counts as forged.

    Raises ValueError for a malformed secret.
    """
    keys = signing_keys(secrets)

    def receive(headers: Mapping[str, str], body: bytes) -> WebhookResult:
        if not is_genuine(headers, body, keys, clock.now()):
            return WebhookResult.FORGED
        prediction_id = _prediction_id(body)
        if prediction_id is None:
            return WebhookResult.UNREADABLE
        log.info("webhook.accepted", prediction_id=prediction_id, awaited=completed(prediction_id))
        return WebhookResult.ACCEPTED

    return receive


def signing_keys(secrets: Sequence[str]) -> list[bytes]:
    """Raises ValueError for a malformed secret."""
    try:
        keys = [base64.b64decode(s.removeprefix(PREFIX), validate=True) for s in secrets]
    except binascii.Error:
        raise ValueError(f"a webhook secret must be {PREFIX} and base64") from None
    if not all(keys):
        raise ValueError("a webhook secret must not be empty")
    return keys


def is_genuine(headers: Mapping[str, str], body: bytes, keys: Sequence[bytes], now: datetime) -> bool:
    """Whether one of the signatures was made with one of the keys, within `TOLERANCE_S` of now."""
    webhook_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not webhook_id or not (timestamp.isascii() and timestamp.isdigit()):
        return False
    if len(timestamp) > 12 or abs(now.timestamp() - int(timestamp)) > TOLERANCE_S:
        return False
    signatures = [s for s in headers.get("webhook-signature", "").split() if s.startswith("v1,")][:MAX_SIGNATURES]
    valid = [_is_signed(key, webhook_id, timestamp, body, signatures) for key in keys]
    return any(valid) and _client_agrees(keys[valid.index(True)], webhook_id, timestamp, body, signatures)


def _is_signed(key: bytes, webhook_id: str, timestamp: str, body: bytes, signatures: Sequence[str]) -> bool:
    """HMAC-SHA256 over id, timestamp and raw body. Compares every signature, so that the time taken tells nothing."""
    digest = hmac.digest(key, f"{webhook_id}.{timestamp}.".encode() + body, "sha256")
    expected = base64.b64encode(digest)
    return any([hmac.compare_digest(s[3:].encode(), expected) for s in signatures])  # noqa: C419


def _client_agrees(key: bytes, webhook_id: str, timestamp: str, body: bytes, signatures: Sequence[str]) -> bool:
    from replicate.webhook import Webhooks, WebhookSigningSecret  # 17 MB that only a webhook needs

    headers = {
        "webhook-id": webhook_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(signatures),
    }
    secret = WebhookSigningSecret(key=PREFIX + base64.b64encode(key).decode())
    try:
        Webhooks.validate(headers=headers, body=body.decode(), secret=secret)
    except ValueError:  # a WebhookValidationError, a body that is not UTF-8, or a signature that is not base64
        return False
    return True


def _prediction_id(body: bytes) -> str | None:
    try:
        prediction = json.loads(body)
    except (ValueError, RecursionError):
        return None
    prediction_id = prediction.get("id") if isinstance(prediction, dict) else None
    return prediction_id if isinstance(prediction_id, str) else None
