"""The identity that a verified token proves."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_OWN_PATH: Final = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]{0,1999}")
"""One slash, because two name a host; no backslash, which browsers read as a slash; nothing that they drop (tabs and
line ends), nor anything that a header cannot hold."""


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


def own_path(text: str) -> str:
    """The text, if it is a path of this site outside its API, to which a browser may be sent. Raises ValueError."""
    if _OWN_PATH.fullmatch(text) and not text.startswith("/api/"):
        return text
    raise ValueError("must be a path of this site, such as /inbox: one slash, then ASCII characters")


def origin(url: str) -> str:
    """Its scheme, host and port, as browsers send them."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()
