"""The SQL of retention: uploads, and the versions that the generator has marked by now."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Final

from services.gateway.domain.retention import UploadRecord
from shared.contracts.retention import CLOSED_KEPT
from shared.postgres.pool import Connection

PREFETCH: Final = 500  # rows per round trip of a cursor

_UPLOAD: Final = """
    select u.upload_id as id, u.project_id, u.filename, (u.object ->> 'size')::bigint as size,
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
"""
_EXPIRED: Final = f"""
    select id from uploads join ({_UPLOAD} where u.deleted_at is null) found on found.id = upload_id
    where not active and (project_deleted_at is not null
                          or not is_reference and (served or coalesce(last_used_at, found.created_at) <= $1))
    order by id limit $2 for update of uploads skip locked
"""
_MARKED: Final = f"""
    select id from uploads join ({_UPLOAD} where u.deleted_at <= $1) found on found.id = upload_id
    where not active
    order by id limit $2 for update of uploads skip locked
"""
# The versions that the generator marks by the same rule; one that is being offered again stays.
_RETIRE: Final = """
    update versions v set retired_at = $1, updated_at = greatest(v.updated_at, $1)
    where v.retired_at is null and v.closed_at < $2
      and not exists (select 1 from assets a join runs r on r.run_id = a.active_run_id
                      where a.asset_id = v.asset_id and r.request ->> 'version_id' = v.version_id::text)
"""
_REFERENCED: Final = """
    select object ->> 'key' as key from uploads where object ->> 'key' = any($1)
    union all
    select part ->> 'key' from partial_uploads, jsonb_array_elements(parts) as part where part ->> 'key' = any($1)
"""


class UploadRetention:
    """Implements `shared.retention.engine.RetentionRepository`. Nothing removes the mark of an upload."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    async def lock_expired(self, now: datetime, limit: int) -> list[str]:
        return [r["id"] for r in await self._db.fetch(_EXPIRED, now - CLOSED_KEPT, limit)]

    async def lock_marked(self, marked_before: datetime, limit: int) -> list[str]:
        return [r["id"] for r in await self._db.fetch(_MARKED, marked_before, limit)]

    async def load(self, ids: Sequence[str]) -> list[UploadRecord]:
        rows = await self._db.fetch(_UPLOAD + "where u.upload_id = any($1::uuid[])", list(ids))
        return [UploadRecord(**dict(r)) for r in rows]

    async def load_all(self, project_id: str | None) -> AsyncIterator[UploadRecord]:
        sql = _UPLOAD + "where $1::uuid is null or u.project_id = $1 order by u.upload_id"
        async for row in self._db.cursor(sql, project_id, prefetch=PREFETCH):
            yield UploadRecord(**dict(row))

    async def mark(self, ids: Sequence[str], now: datetime) -> None:
        await self._db.execute(
            "update uploads set deleted_at = $2, updated_at = $2 where upload_id = any($1::uuid[])", list(ids), now
        )

    async def release(self, ids: Sequence[str]) -> list[str]:
        rows = await self._db.fetch(
            "select object ->> 'key' as key from uploads where upload_id = any($1::uuid[])", list(ids)
        )
        return [r["key"] for r in rows]

    async def delete(self, ids: Sequence[str]) -> None:
        await self._db.execute("delete from uploads where upload_id = any($1::uuid[])", list(ids))


async def referenced_keys(connection: Connection, keys: Sequence[str]) -> set[str]:
    """Those of the keys that are an upload's object, or a part of one that is being received."""
    rows = await connection.fetch(_REFERENCED, list(keys))
    return {r["key"] for r in rows}


async def retire_versions(connection: Connection, now: datetime) -> None:
    """Shows versions as gone that the generator has marked by now."""
    await connection.execute(_RETIRE, now, now - CLOSED_KEPT)
