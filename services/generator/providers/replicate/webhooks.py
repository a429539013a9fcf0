"""Whether a webhook is Replicate's: HMAC-SHA256 over id, timestamp and raw body, as its documentation says."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

TOLERANCE_S: Final = 300
PREFIX: Final = "whsec_"


def keys_of(secrets: Sequence[str]) -> list[bytes]:
    """Raises ValueError for a secret that is none."""
    try:
        keys = [base64.b64decode(s.removeprefix(PREFIX), validate=True) for s in secrets]
    except binascii.Error:
        raise ValueError(f"a webhook secret must be {PREFIX} and base64") from None
    if not all(keys):
        raise ValueError("a webhook secret is empty")
    return keys


def sign(key: bytes, webhook_id: str, timestamp: str, body: bytes) -> str:
    return base64.b64encode(hmac.digest(key, f"{webhook_id}.{timestamp}.".encode() + body, "sha256")).decode()


def is_genuine(headers: Mapping[str, str], body: bytes, keys: Sequence[bytes], now: datetime) -> bool:
    """By any of the keys and any of the signatures; not older, or newer, than the tolerance."""
    webhook_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not webhook_id or not (timestamp.isascii() and timestamp.isdigit()):
        return False
    if len(timestamp) > 12 or abs(now.timestamp() - int(timestamp)) > TOLERANCE_S:
        return False
    given = [s[3:].encode() for s in headers.get("webhook-signature", "").split() if s.startswith("v1,")]
    right = [sign(key, webhook_id, timestamp, body).encode() for key in keys]
    return any([hmac.compare_digest(g, r) for g in given[:8] for r in right])  # noqa: C419 - all are compared
