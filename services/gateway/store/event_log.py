"""Reads the event log that feeds the streams."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import asyncpg

from services.gateway.domain.event_log import LogBounds, LoggedEvent, Place
from services.gateway.domain.shares import GUEST
from shared.postgres.pool import Pool

_BOUNDS: Final = """
    select s.epoch::text, s.pruned_to, s.pruned_tag, p.seq, p.tag,
           array(select row(l.seq, event_tag(l.at)) from event_log l where l.seq = any($1::bigint[])) as tags
    from event_stream s, event_place() p
"""
_COLUMNS: Final = "l.seq, l.project_id, l.name, l.data, l.to_user, event_tag(l.at) as tag, l.episode_id"
_SINCE: Final = f"select {_COLUMNS} from event_log l where l.seq >= $1 order by l.seq limit $2"
_BETWEEN: Final = f"""
    select s.pruned_to, found.* from event_stream s left join lateral (
        select {_COLUMNS} from event_log l
        where l.seq > $1 and l.seq <= $2 and l.project_id = any($3::uuid[]) and (l.to_user or not $4)
          and ($6::uuid is null or l.episode_id = $6)
        order by l.seq limit $5
    ) found on true
    order by found.seq
"""
_MEMBERS: Final = f"""
    select m.user_id from members m join projects p using (project_id)
    where m.project_id = $1 and p.deleted_at is null
    union all
    select '{GUEST}' || s.share_id from shares s
    join projects p using (project_id) join episodes e using (episode_id)
    where s.project_id = $1 and p.deleted_at is null and e.deleted_at is null
      and s.revoked_at is null and s.expires_at > now()
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
        self,
        after: int,
        upto: int,
        project_ids: Sequence[str],
        to_user: bool,
        limit: int,
        episode_id: str | None = None,
    ) -> list[LoggedEvent] | None:
        rows = await self._pool.fetch(_BETWEEN, after, upto, project_ids, to_user, limit, episode_id)
        if rows[0]["pruned_to"] > after:  # of the same moment as the rows
            return None
        return [_event(row) for row in rows if row["seq"] is not None]

    async def members(self, project_id: str) -> set[str]:
        return {row["user_id"] for row in await self._pool.fetch(_MEMBERS, project_id)}


def _event(row: asyncpg.Record) -> LoggedEvent:
    columns = ("seq", "project_id", "name", "data", "to_user", "tag", "episode_id")
    return LoggedEvent(*(row[name] for name in columns))
