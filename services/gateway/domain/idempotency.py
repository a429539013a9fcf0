"""The stored response of a request, which is sent again if the request is repeated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256


@dataclass(frozen=True)
class StoredResponse:
    """`fingerprint`: of the request; `body`: JSON text, or empty."""

    fingerprint: str
    status: int
    headers: Mapping[str, str]
    body: str


def request_fingerprint(method: str, target: str, body: bytes) -> str:
    """SHA-256, as hex, of the request's method, target (path and query) and body."""
    digest = sha256(f"{method} {target}\n".encode())
    digest.update(body)
    return digest.hexdigest()
