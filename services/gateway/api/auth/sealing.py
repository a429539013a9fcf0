"""Encryption of what the gateway stores or hands out and that only the gateway may read."""

from __future__ import annotations

import base64
import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12  # NIST SP 800-38D, section 5.2.1.1


class Sealer:
    """AES-256-GCM with keys that are derived from the given secrets: the first seals, all open, so that they can be
    rotated. `purpose` separates the keys from all others that are derived from the same secrets."""

    def __init__(self, *secrets: str, purpose: str) -> None:
        self._keys = [AESGCM(derived_key(secret, purpose)) for secret in secrets]

    def seal(self, plain: bytes, bound_to: str) -> str:
        """Text that opens only with the same `bound_to`; its characters need no escapes in a cookie."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = nonce + self._keys[0].encrypt(nonce, plain, bound_to.encode())
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def open(self, sealed: str, bound_to: str) -> bytes | None:
        """None: it was not sealed by us, or not for this."""
        try:
            raw = base64.b64decode(sealed + "=" * (-len(sealed) % 4), altchars=b"-_", validate=True)
        except ValueError:
            return None
        for key in self._keys:
            try:
                return key.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], bound_to.encode())
            except (InvalidTag, ValueError):
                continue
        return None


def derived_key(secret: str, purpose: str) -> bytes:
    """32 bytes that tell nothing of the secret, nor of what is derived for another purpose."""
    return HKDF(SHA256(), _KEY_BYTES, salt=None, info=purpose.encode()).derive(secret.encode())
