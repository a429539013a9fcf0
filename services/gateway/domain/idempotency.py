"""An answer that is given again to a repeated request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256


@dataclass(frozen=True)
class StoredResponse:
    """`fingerprint` is that of the request; `body` is JSON text or empty."""

    fingerprint: str
    status: int
    headers: Mapping[str, str]
    body: str


def request_fingerprint(method: str, target: str, body: bytes) -> str:
    """Of a request: its method, its path with the query, its body. 32 bytes as hex."""
    digest = sha256(f"{method} {target}\n".encode())
    digest.update(body)
    return digest.hexdigest()
