"""The identity that a verified token proves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class InvalidToken(Exception):
    """The token was not accepted; the text may be shown to the client."""


@dataclass(frozen=True)
class Identity:
    """`user_id` is the token's subject, `expires_at` Unix time."""

    user_id: str
    name: str
    scopes: tuple[str, ...]
    expires_at: int


def safe_url(url: str) -> str:
    """The URL, if it is https, or http to the loopback interface. Raises ValueError."""
    parts = urlsplit(url)
    if (parts.scheme == "https" and parts.hostname) or (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        return url
    raise ValueError(f"must be an https URL, not {url!r}")
