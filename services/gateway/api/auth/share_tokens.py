"""The tokens of share links."""

from __future__ import annotations

import base64
import hmac
from hashlib import sha256

from services.gateway.api.auth.sealing import derived_key


class ShareTokens:
    """A link's token follows from its id and our secret, so that a repetition of the request that created it can show
    it again although it is not stored. The database has its digest: it works on after the secret was rotated."""

    def __init__(self, secret: str) -> None:
        self._key = derived_key(secret, "retake share")

    def of(self, share_id: str) -> str:
        mac = hmac.new(self._key, share_id.encode(), sha256).digest()
        return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()
