"""Signed media URLs: one object, one caller, one to two hours."""

from __future__ import annotations

import base64
import hmac
from hashlib import sha256
from typing import Final

from shared.core.clock import Clock

WINDOW_S: Final = 3600  # within it every answer carries the same grant, so that browsers can cache what it opens
MAC_BYTES: Final = 16


class MediaSigner:
    """`sig` is the caller and a MAC over (object, caller, exp); `exp` is the end of the next full hour but one. The
    first secret signs, all are accepted."""

    def __init__(self, *secrets: str, clock: Clock) -> None:
        self._keyed = [hmac.new(secret.encode(), digestmod=sha256) for secret in secrets]
        self._clock = clock

    def expiry(self) -> int:
        """Unix time, the same for a whole window: at least one window and at most two from now."""
        return (int(self._clock.now().timestamp()) // WINDOW_S + 2) * WINDOW_S

    def sign(self, media: str, user_id: str, expires: int) -> str:
        """`media` is the path below /media, such as `versions/ID/content`."""
        return f"{_text(user_id.encode())}.{_text(_mac(self._keyed[0], media, user_id, expires))}"

    def caller_of(self, media: str, signature: str, expires: int) -> str | None:
        """Whom the signature was made for, or None: it was not made by us for this object. Says nothing of time."""
        user, _, mac = signature.partition(".")
        try:
            user_id = _raw(user).decode()
            given = _raw(mac)
        except ValueError:
            return None
        ours = (_mac(keyed, media, user_id, expires) for keyed in self._keyed)
        return user_id if any(hmac.compare_digest(given, mac) for mac in ours) else None

    def is_over(self, expires: int) -> bool:
        return self._clock.now().timestamp() >= expires


def _mac(key: hmac.HMAC, media: str, user_id: str, expires: int) -> bytes:
    keyed = key.copy()
    keyed.update(f"{media}\n{expires}\n{user_id}".encode())
    return keyed.digest()[:MAC_BYTES]


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _raw(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
