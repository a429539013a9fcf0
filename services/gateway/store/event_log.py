"""Reads the event log that feeds the streams."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from services.gateway.domain.event_log import LogBounds, LoggedEvent
from shared.postgres.pool import Pool

_BOUNDS: Final = "select epoch::text, pruned_to, event_cursor() as last from event_stream"
_AFTER: Final = """
    select seq, project_id, name, data, to_user from event_log where seq > $1 order by seq limit $2
"""
_BETWEEN: Final = """
    select seq, project_id, name, data, to_user from event_log
    where seq > $1 and seq <= $2 and project_id = any($3::uuid[]) and (to_user or not $4)
    order by seq limit $5
"""
_MEMBERS: Final = """
    select m.user_id from members m join projects p using (project_id)
    where m.project_id = $1 and p.deleted_at is null
"""


class EventLog:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def bounds(self) -> LogBounds:
        row = await self._pool.fetchrow(_BOUNDS)
        assert row is not None
        return LogBounds(row["epoch"], row["pruned_to"], row["last"])

    async def after(self, seq: int, limit: int) -> list[LoggedEvent]:
        return [LoggedEvent(*row) for row in await self._pool.fetch(_AFTER, seq, limit)]

    async def between(
        self, after: int, upto: int, project_ids: Sequence[str], to_user: bool, limit: int
    ) -> list[LoggedEvent]:
        rows = await self._pool.fetch(_BETWEEN, after, upto, project_ids, to_user, limit)
        return [LoggedEvent(*row) for row in rows]

    async def members(self, project_id: str) -> set[str]:
        return {row["user_id"] for row in await self._pool.fetch(_MEMBERS, project_id)}
