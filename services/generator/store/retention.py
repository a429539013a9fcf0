"""The SQL of retention: versions, and the keys that rows refer to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any, Final

import asyncpg

from services.generator.domain.retention import RetirementReason, VersionRecord
from services.generator.domain.states import VersionStatus
from services.generator.store.rows import Rows
from shared.contracts.events.generator import Complete
from shared.contracts.retention import CLOSED_KEPT
from shared.contracts.values import Actor, AssetKind, ObjectRef, Version
from shared.core.ids import is_id
from shared.messaging import outbox
from shared.messaging.events import Cause
from shared.postgres.pool import Connection

_IN_USE: Final = """
    (exists (select 1 from candidates c join runs r using (run_id)
             where c.version_id = v.version_id and r.state in ('queued', 'generating', 'preview_ready'))
     or exists (select 1 from runs r where r.request ->> 'starting_image_version_id' = v.version_id::text
                and r.state in ('queued', 'generating', 'preview_ready')))
"""
_VERSION: Final = f"""
    select v.version_id as id, a.project_id, v.asset_id, a.kind, v.version_number as number, v.status,
           (select coalesce(sum((v.facts #>> array[part, 'size'])::bigint), 0)::bigint
            from unnest(array['object', 'poster', 'filmstrip', 'proxy', 'last_frame']) as part) as size,
           v.created_at, v.settled_at, v.accepted_at, v.retirement_reason, v.retired_at, v.purged_at as marked_at,
           a.deleted_at as asset_deleted_at,
           a.committed_version_id is not distinct from v.version_id as committed, {_IN_USE} as in_use
    from versions v join assets a using (asset_id)
"""
_EXPIRED: Final = f"""
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
_DELETE: Final = """
    with deleted as (
        select v.version_id, v.asset_id, v.run_id, v.facts from versions v where v.version_id = any($1::uuid[])
    ), offers as (
        delete from candidates c using deleted where c.version_id = deleted.version_id
    ), dropped as (
        delete from versions v using deleted where v.version_id = deleted.version_id
    ), unpointed as (
        update assets a set committed_version_id = null from deleted
        where a.asset_id = deleted.asset_id and a.deleted_at is not null and a.committed_version_id = deleted.version_id
    )
    -- Deleted assets that had a committed version and now have no version left.
    select distinct on (a.asset_id) a.asset_id, a.kind, a.episode_id, a.segment_id, a.commit_seq, a.updated_at,
           deleted.facts, r.run_id, r.rev, r.project_id, r.owner_id, r.correlation_id
    from deleted join assets a using (asset_id) join runs r on r.run_id = deleted.run_id
    where a.deleted_at is not null and a.commit_seq > 0
      and not exists (select 1 from versions v where v.asset_id = a.asset_id and v.version_id <> all($1::uuid[]))
"""
_REFERENCED: Final = """
    select requested.key from unnest($1::text[], $2::uuid[]) as requested(key, version_id)
    where exists (select 1 from versions v where v.version_id = requested.version_id)
       or requested.key in (select request #>> '{input_object,key}' from runs
                        where state in ('queued', 'generating', 'preview_ready')
                          and request #>> '{input_object,key}' is not null)
"""
_OF_PROJECT: Final = """
    where $1::text is null or a.project_id = $1 order by a.project_id, v.asset_id, v.version_number
"""
PREFETCH: Final = 500  # rows per round trip of a cursor


class VersionRetention(Rows):
    """Implements `shared.retention.engine.RetentionRepository`. A version loses its mark only
    if its deleted asset is restored."""

    async def lock_expired(self, now: datetime, limit: int) -> list[str]:
        return [r["version_id"] for r in await self._db.fetch(_EXPIRED, now - CLOSED_KEPT, limit)]

    async def lock_marked(self, marked_before: datetime, limit: int) -> list[str]:
        return [r["version_id"] for r in await self._db.fetch(_MARKED, marked_before, limit)]

    async def load(self, ids: Sequence[str]) -> list[VersionRecord]:
        rows = await self._db.fetch(_VERSION + "where v.version_id = any($1::uuid[])", list(ids))
        return [_record(r) for r in rows]

    async def load_all(self, project_id: str | None) -> AsyncIterator[VersionRecord]:
        """By project, asset and number."""
        async for row in self._db.cursor(_VERSION + _OF_PROJECT, project_id, prefetch=PREFETCH):
            yield _record(row)

    async def mark(self, ids: Sequence[str], now: datetime) -> None:
        await self._db.execute("update versions set purged_at = $2 where version_id = any($1::uuid[])", list(ids), now)

    async def release(self, ids: Sequence[str]) -> list[str]:
        rows = await self._db.fetch("select facts from versions where version_id = any($1::uuid[])", list(ids))
        return [ref.key for r in rows for ref in _objects(Version.model_validate(r["facts"]))]

    async def delete(self, ids: Sequence[str]) -> None:
        """A deleted asset that has no version left gets its tombstone."""
        for row in await self._db.fetch(_DELETE, list(ids)):
            await self._publish_tombstone(row)

    async def _publish_tombstone(self, row: asyncpg.Record) -> None:
        """Removes the asset from the compacted topic. Only the key of this event is sent, not its body."""
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


async def referenced_keys(connection: Connection, keys: Sequence[str]) -> set[str]:
    """Those of the keys that belong to a version with a row, or that an active run works from."""
    rows = await connection.fetch(_REFERENCED, list(keys), [_version_of(key) for key in keys])
    return {r["key"] for r in rows}


def _version_of(key: str) -> str | None:
    """The version id in `versions/<version>/...`."""
    match key.split("/"):
        case ["versions", version_id, *_] if is_id(version_id):
            return version_id
        case _:
            return None


def _objects(version: Version) -> list[ObjectRef]:
    parts = (version.object, version.poster, version.filmstrip, version.proxy, version.last_frame)
    return [ref for ref in parts if ref]


def _record(row: Any) -> VersionRecord:
    fields = dict(row)
    reason = fields["retirement_reason"]
    return VersionRecord(
        **fields
        | {
            "kind": AssetKind(fields["kind"]),
            "status": VersionStatus(fields["status"]),
            "retirement_reason": RetirementReason(reason) if reason else None,
        }
    )
