"""Reads the event log that feeds the streams."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import asyncpg

from services.gateway.domain.event_log import LogBounds, LoggedEvent, Place
from shared.postgres.pool import Pool

_BOUNDS: Final = """
    select s.epoch::text, s.pruned_to, s.pruned_tag, p.seq, p.tag,
           array(select row(l.seq, event_tag(l.at)) from event_log l where l.seq = any($1::bigint[])) as tags
    from event_stream s, event_place() p
"""
_COLUMNS: Final = "l.seq, l.project_id, l.name, l.data, l.to_user, event_tag(l.at) as tag"
_SINCE: Final = f"select {_COLUMNS} from event_log l where l.seq >= $1 order by l.seq limit $2"
_BETWEEN: Final = f"""
    select s.pruned_to, found.* from event_stream s left join lateral (
        select {_COLUMNS} from event_log l
        where l.seq > $1 and l.seq <= $2 and l.project_id = any($3::uuid[]) and (l.to_user or not $4)
        order by l.seq limit $5
    ) found on true
    order by found.seq
"""
_MEMBERS: Final = """
    select m.user_id from members m join projects p using (project_id)
    where m.project_id = $1 and p.deleted_at is null
"""


class EventLog:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def bounds(self, *seqs: int) -> LogBounds:
        row = await self._pool.fetchrow(_BOUNDS, seqs)
        assert row is not None
        pruned_to, last = Place(row["pruned_to"], row["pruned_tag"]), Place(row["seq"], row["tag"])
        return LogBounds(row["epoch"], pruned_to, last, dict(row["tags"]))

    async def since(self, seq: int, limit: int) -> list[LoggedEvent]:
        return [_event(row) for row in await self._pool.fetch(_SINCE, seq, limit)]

    async def between(
        self, after: int, upto: int, project_ids: Sequence[str], to_user: bool, limit: int
    ) -> list[LoggedEvent] | None:
        rows = await self._pool.fetch(_BETWEEN, after, upto, project_ids, to_user, limit)
        if rows[0]["pruned_to"] > after:  # of the same moment as the rows
            return None
        return [_event(row) for row in rows if row["seq"] is not None]

    async def members(self, project_id: str) -> set[str]:
        return {row["user_id"] for row in await self._pool.fetch(_MEMBERS, project_id)}


def _event(row: asyncpg.Record) -> LoggedEvent:
    return LoggedEvent(row["seq"], row["project_id"], row["name"], row["data"], row["to_user"], row["tag"])
