"""Tickets open a stream's path once within 30 seconds, for an EventSource, which cannot send headers."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from shared.core.clock import Clock
from shared.postgres.pool import Pool

LIFE: Final = timedelta(seconds=30)

_ISSUE: Final = "insert into tickets (ticket_sha256, user_id, path, expires_at) values ($1, $2, $3, $4)"
_REDEEM: Final = "delete from tickets where ticket_sha256 = $1 returning user_id, path, expires_at"


class Tickets:
    """Stored as digests, so that reading the table does not help to open a stream."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock

    async def issue(self, user_id: str, path: str) -> tuple[str, datetime]:
        """The ticket, and when it expires."""
        ticket = secrets.token_urlsafe(24)
        expires_at = self._clock.now() + LIFE
        await self._pool.execute(_ISSUE, _digest(ticket), user_id, path, expires_at)
        return ticket, expires_at

    async def redeem(self, ticket: str, path: str) -> str | None:
        """The user's id, once; None if the ticket is not valid. A ticket for another path is used up too, because it
        may have been leaked."""
        row = await self._pool.fetchrow(_REDEEM, _digest(ticket))
        if row is None or row["path"] != path or row["expires_at"] <= self._clock.now():
            return None
        return str(row["user_id"])


def _digest(ticket: str) -> str:
    return sha256(ticket.encode()).hexdigest()
