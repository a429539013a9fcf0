"""Who is calling, as a verified token says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class InvalidToken(Exception):
    """The token proves nothing; the text may be shown."""


@dataclass(frozen=True)
class Identity:
    """`user_id` is the token's subject, `expires_at` Unix time."""

    user_id: str
    name: str
    scopes: tuple[str, ...]
    expires_at: int


def safe_url(url: str) -> str:
    """https, or http to this machine; raises ValueError."""
    parts = urlsplit(url)
    if (parts.scheme == "https" and parts.hostname) or (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        return url
    raise ValueError(f"must be an https URL, not {url!r}")
