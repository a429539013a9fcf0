"""Sessions that were signed out: a session is a signed cookie, so the only thing to store is that it has ended."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from shared.postgres.pool import Pool

_END: Final = "insert into ended_sessions (session_id, expires_at) values ($1, $2) on conflict do nothing"
_HAS_ENDED: Final = "select exists (select 1 from ended_sessions where session_id = $1)"


class EndedSessions:
    """Read at every request by cookie, so that a session ends for all replicas at once."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def end(self, session_id: str, expires_at: int) -> None:
        """`expires_at`: Unix time; the row may be deleted after it."""
        await self._pool.execute(_END, session_id, datetime.fromtimestamp(expires_at, UTC))

    async def has_ended(self, session_id: str) -> bool:
        return bool(await self._pool.fetchval(_HAS_ENDED, session_id))
