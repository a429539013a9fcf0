"""Counts of open streams that all replicas share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from shared.postgres.pool import Pool

_ADMIT: Final = "select admit_stream($1, $2, $3, $4)"
_TELL: Final = """
    insert into open_streams (user_id, replica_id, count)
    select reported.user_id, $1, reported.count from unnest($2::text[], $3::integer[]) as reported(user_id, count)
    on conflict (user_id, replica_id) do update set count = excluded.count
"""
_FORGET: Final = "delete from open_streams where replica_id = $1 and count = 0"
_ALIVE: Final = """
    with dead as (
        delete from stream_replicas where alive_until < now() - interval '1 hour' returning replica_id
    ), deleted as (
        delete from open_streams where replica_id in (select replica_id from dead)
    )
    insert into stream_replicas (replica_id, alive_until) values ($1, now() + make_interval(secs => $2))
    on conflict (replica_id) do update set alive_until = excluded.alive_until returning xmax = 0
"""
_GONE: Final = """
    with mine as (delete from open_streams where replica_id = $1) delete from stream_replicas where replica_id = $1
"""


class StreamCounts:
    """The counts of one replica, and whether it is alive. Counts of a dead replica do not count."""

    def __init__(self, pool: Pool, replica_id: str) -> None:
        self._pool = pool
        self._replica_id = replica_id

    async def admit(self, user_id: str, held: int, most: int) -> bool:
        return bool(await self._pool.fetchval(_ADMIT, self._replica_id, user_id, held, most))

    async def tell(self, counts: Mapping[str, int]) -> None:
        await self._pool.execute(_TELL, self._replica_id, list(counts), list(counts.values()))
        if not all(counts.values()):
            await self._pool.execute(_FORGET, self._replica_id)

    async def alive(self, seconds: float) -> bool:
        return bool(await self._pool.fetchval(_ALIVE, self._replica_id, seconds))

    async def gone(self) -> None:
        await self._pool.execute(_GONE, self._replica_id)
