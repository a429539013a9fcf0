"""What retention looks for and what it writes, in PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from typing import Any, Final

import asyncpg

from services.generator.domain.retention import Holding, LetGo
from services.generator.domain.states import VersionStatus
from services.generator.store.rows import Rows
from services.generator.usecases.keeping import Keeping
from shared.contracts.events.generator import Complete
from shared.contracts.values import Actor, AssetKind, ObjectRef, Version
from shared.core.errors import Retryable
from shared.messaging import outbox
from shared.messaging.events import Cause, Publisher
from shared.postgres.pool import Pool, transaction
from shared.postgres.retry import UNAVAILABLE

_IN_USE: Final = """
    (exists (select 1 from candidates c join runs r using (run_id)
             where c.version_id = v.version_id and r.state in ('queued', 'generating', 'preview_ready'))
     or exists (select 1 from runs r where r.request ->> 'starting_image_version_id' = v.version_id::text
                and r.state in ('queued', 'generating', 'preview_ready')))
"""
_HOLDING: Final = f"""
    select v.version_id, coalesce(a.project_id, '') as project_id, v.asset_id, a.kind, v.version_number, v.status,
           (select coalesce(sum((v.facts #>> array[part, 'size'])::bigint), 0)::bigint
            from unnest(array['object', 'poster', 'filmstrip', 'proxy', 'last_frame']) as part) as size,
           v.created_at, v.settled_at, v.accepted_at, v.let_go, v.retired_at, v.purged_at, a.deleted_at,
           a.committed_version_id is not distinct from v.version_id as committed, {_IN_USE} as in_use
    from versions v join assets a using (asset_id)
"""
_RIPE: Final = f"""
    select v.version_id from versions v join assets a using (asset_id)
    where v.purged_at is null
      and (v.retired_at is not null
           or v.status in ('rejected', 'expired', 'not_chosen', 'discarded') and v.settled_at <= $1)
      and a.committed_version_id is distinct from v.version_id and not {_IN_USE}
    order by coalesce(v.retired_at, v.settled_at) limit $2
    for update of v skip locked
"""
_MARKED: Final = f"""
    select v.version_id from versions v join assets a using (asset_id)
    where v.purged_at <= $1 and not {_IN_USE}
      and (a.deleted_at is not null or a.committed_version_id is distinct from v.version_id)
    order by v.purged_at limit $2 for update of v skip locked
"""
_FORGET: Final = """
    with gone as (
        select v.version_id, v.asset_id, v.run_id, v.facts from versions v where v.version_id = any($1::uuid[])
    ), offers as (
        delete from candidates c using gone where c.version_id = gone.version_id
    ), dropped as (
        delete from versions v using gone where v.version_id = gone.version_id
    ), unpointed as (
        update assets a set committed_version_id = null from gone
        where a.asset_id = gone.asset_id and a.deleted_at is not null and a.committed_version_id = gone.version_id
    )
    -- Deleted assets that were committed once and now have no version left.
    select distinct on (a.asset_id) a.asset_id, a.kind, a.episode_id, a.segment_id, a.commit_seq, a.updated_at,
           gone.facts, r.run_id, r.rev, r.project_id, r.owner_id, r.correlation_id
    from gone join assets a using (asset_id) join runs r on r.run_id = gone.run_id
    where a.deleted_at is not null and a.commit_seq > 0
      and not exists (select 1 from versions v where v.asset_id = a.asset_id and v.version_id <> all($1::uuid[]))
"""
_REFERENCED: Final = """
    select asked.key from unnest($1::text[], $2::uuid[]) as asked(key, version_id)
    where exists (select 1 from versions v where v.version_id = asked.version_id)
       or asked.key in (select request #>> '{input_object,key}' from runs
                        where state in ('queued', 'generating', 'preview_ready')
                          and request #>> '{input_object,key}' is not null)
"""
PAGE: Final = 500


class PostgresKeeping(Rows):
    """Implements `usecases.keeping.Keeping`."""

    async def lock_ripe(self, closed_before: datetime, limit: int) -> list[str]:
        return [r["version_id"] for r in await self._db.fetch(_RIPE, closed_before, limit)]

    async def lock_marked(self, marked_before: datetime, limit: int) -> list[str]:
        return [r["version_id"] for r in await self._db.fetch(_MARKED, marked_before, limit)]

    async def holdings(self, version_ids: Sequence[str]) -> list[Holding]:
        rows = await self._db.fetch(_HOLDING + "where v.version_id = any($1::uuid[])", list(version_ids))
        return [_holding(r) for r in rows]

    async def all_holdings(self, project_id: str | None) -> AsyncIterator[Holding]:
        sql = (
            _HOLDING
            + """where $1::text is null or a.project_id = $1
                            order by a.project_id, v.asset_id, v.version_number"""
        )
        async for row in self._db.cursor(sql, project_id, prefetch=PAGE):
            yield _holding(row)

    async def mark(self, version_ids: Sequence[str], now: datetime) -> None:
        await self._db.execute(
            "update versions set purged_at = $2 where version_id = any($1::uuid[])", list(version_ids), now
        )

    async def objects_of(self, version_ids: Sequence[str]) -> dict[str, list[ObjectRef]]:
        rows = await self._db.fetch(
            "select version_id, facts from versions where version_id = any($1::uuid[])", list(version_ids)
        )
        return {r["version_id"]: _objects(Version.model_validate(r["facts"])) for r in rows}

    async def forget(self, version_ids: Sequence[str], now: datetime) -> None:
        for row in await self._db.fetch(_FORGET, list(version_ids)):
            await self._bury(row)

    async def referenced(self, keys: Sequence[tuple[str, str | None]]) -> set[str]:
        rows = await self._db.fetch(_REFERENCED, [key for key, _ in keys], [version for _, version in keys])
        return {r["key"] for r in rows}

    async def _bury(self, row: asyncpg.Record) -> None:
        """The compacted topic forgets the asset. The body is never sent; it only names the key."""
        version = Version.model_validate(row["facts"])
        event = Complete(
            run_id=row["run_id"],
            asset_id=row["asset_id"],
            asset_kind=AssetKind(row["kind"]),
            episode_id=row["episode_id"],
            segment_id=row["segment_id"],
            run_rev=row["rev"],
            commit_seq=row["commit_seq"],
            version=version,
            updated_at=row["updated_at"],
            cost=version.cost,
            actor=Actor(kind="system"),
        )
        cause = Cause(row["project_id"], row["owner_id"], row["correlation_id"])
        await outbox.publish_tombstone(self._db, self._publisher.message(event, cause))


def _objects(version: Version) -> list[ObjectRef]:
    parts = (version.object, version.poster, version.filmstrip, version.proxy, version.last_frame)
    return [ref for ref in parts if ref]


def _holding(row: Any) -> Holding:
    return Holding(
        version_id=row["version_id"],
        project_id=row["project_id"],
        asset_id=row["asset_id"],
        kind=AssetKind(row["kind"]),
        number=row["version_number"],
        status=VersionStatus(row["status"]),
        size=row["size"],
        created_at=row["created_at"],
        committed=row["committed"],
        in_use=row["in_use"],
        settled_at=row["settled_at"],
        accepted_at=row["accepted_at"],
        let_go=LetGo(row["let_go"]) if row["let_go"] else None,
        let_go_at=row["retired_at"],
        marked_at=row["purged_at"],
        asset_deleted_at=row["deleted_at"],
    )


def keeping_units(pool: Pool, publisher: Publisher) -> Callable[[], AbstractAsyncContextManager[Keeping]]:
    """Transactions for retention. A database that is away is Retryable("database_unavailable")."""

    @asynccontextmanager
    async def unit() -> AsyncIterator[Keeping]:
        try:
            async with transaction(pool) as connection:
                yield PostgresKeeping(connection, publisher)
        except UNAVAILABLE as e:
            raise Retryable("database_unavailable", f"The database is away: {e!r}") from e

    return unit
