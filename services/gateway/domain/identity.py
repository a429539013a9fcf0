"""Who is calling, as a verified token says."""

from __future__ import annotations

from dataclasses import dataclass


class BadToken(Exception):
    """The token proves nothing; the text may be shown."""


@dataclass(frozen=True)
class Identity:
    """`user_id` is the token's subject, `expires_at` Unix time."""

    user_id: str
    name: str
    scopes: tuple[str, ...]
    expires_at: int
