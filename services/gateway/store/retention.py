"""What retention looks for and what it writes, in PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from typing import Final

from services.gateway.commands.retention import Keeping
from services.gateway.domain.retention import HeldUpload
from shared.contracts.retention import CLOSED_KEPT
from shared.postgres.pool import Connection, Pool, transaction

_UPLOADS: Final = """
    select u.upload_id, u.project_id, u.filename, u.object ->> 'key' as key, (u.object ->> 'size')::bigint as size,
           u.created_at, u.deleted_at as marked_at, p.deleted_at as project_deleted_at,
           p.settings @? format('$.characters[*].upload_ids[*] ? (@ == "%s")', u.upload_id)::jsonpath as is_reference,
           coalesce(r.active or i.active, r.active, i.active, false) as active,
           coalesce(r.served or i.served, r.served, i.served, false) as served,
           greatest(r.last_at, i.last_at) as last_used_at
    from uploads u join projects p using (project_id)
    left join lateral (
        select bool_or(status in ('requested', 'queued', 'generating', 'preview_ready', 'accepted')) as active,
               bool_or(status in ('complete', 'rejected', 'expired')) as served, max(updated_at) as last_at
        from runs where request #>> '{input_object,key}' = u.object ->> 'key'
    ) r on true
    left join lateral (
        select bool_or(status in ('pending', 'processing')) as active, bool_or(status = 'completed') as served,
               max(updated_at) as last_at
        from imports where upload_id = u.upload_id
    ) i on true
    where $1::uuid is null or u.upload_id > $1
    order by u.upload_id limit $2
"""
# What the generator lets go by the same rule; one that is being offered again stays.
_RETIRE: Final = """
    update versions v set retired_at = $1, updated_at = greatest(v.updated_at, $1)
    where v.retired_at is null and v.closed_at < $2
      and not exists (select 1 from assets a join runs r on r.run_id = a.active_run_id
                      where a.asset_id = v.asset_id and r.request ->> 'version_id' = v.version_id::text)
"""


class PostgresKeeping:
    """Implements `usecases.keeping.Keeping`."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    async def uploads(self, after_id: str | None, limit: int) -> list[HeldUpload]:
        return [HeldUpload(**dict(r)) for r in await self._db.fetch(_UPLOADS, after_id, limit)]

    async def mark(self, upload_ids: Sequence[str], now: datetime) -> None:
        await self._db.execute(
            "update uploads set deleted_at = $2, updated_at = $2 "
            "where upload_id = any($1::uuid[]) and deleted_at is null",
            list(upload_ids),
            now,
        )

    async def forget(self, upload_ids: Sequence[str]) -> None:
        await self._db.execute("delete from uploads where upload_id = any($1::uuid[])", list(upload_ids))

    async def known_keys(self, keys: Sequence[str]) -> set[str]:
        rows = await self._db.fetch(
            "select object ->> 'key' as key from uploads where object ->> 'key' = any($1)", list(keys)
        )
        return {r["key"] for r in rows}

    async def retire_versions(self, now: datetime) -> int:
        done = await self._db.execute(_RETIRE, now, now - CLOSED_KEPT)
        return int(done.rpartition(" ")[2])


def keeping_units(pool: Pool) -> Callable[[], AbstractAsyncContextManager[Keeping]]:
    @asynccontextmanager
    async def unit() -> AsyncIterator[Keeping]:
        async with transaction(pool) as connection:
            yield PostgresKeeping(connection)

    return unit
