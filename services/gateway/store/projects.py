"""Projects and what they have spent."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import asyncpg

from services.gateway.domain.projects import Project
from services.gateway.store.sql import insert, update
from shared.postgres.pool import Connection

_PROJECT: Final = """
    select project_id, owner_id, name, description, settings, settings_revision, revision
    from projects where project_id = $1 and deleted_at is null
"""
_SPENT: Final = """
    select coalesce(sum(cost_amount + cost_unknown), 0) from runs
    where project_id = $1 and cost_currency = $2 and ($3::timestamptz is null or created_at >= $3)
"""
STORED_BYTES: Final = """(
    (select coalesce(sum(coalesce((v.object ->> 'size')::bigint, 0) + coalesce((v.poster ->> 'size')::bigint, 0)
                         + coalesce((v.filmstrip ->> 'size')::bigint, 0)
                         + coalesce((v.proxy ->> 'size')::bigint, 0)), 0)
     from versions v join assets a using (asset_id)
     where v.project_id = {project} and v.retired_at is null and a.deleted_at is null)
    + (select coalesce(sum((c.object ->> 'size')::bigint), 0) from compilations c where c.project_id = {project})
    + (select coalesce(sum((u.object ->> 'size')::bigint), 0) from uploads u
       where u.project_id = {project} and u.deleted_at is null)
    + (select coalesce(sum(p.size), 0) from partial_uploads p where p.project_id = {project} and p.upload_id is null)
)"""
"""What the versions, films and uploads of a project take, as SQL. What was marked for deletion does not count; a file
that is being received in parts counts as a whole."""

_LOCK_STORAGE: Final = "select pg_advisory_xact_lock(hashtextextended('storage ' || $1::text, 0))"


class ProjectRepository:
    def __init__(self, connection: Connection) -> None:
        self._db = connection

    async def insert(self, project: Project, at: datetime) -> None:
        await insert(
            self._db,
            "projects",
            {
                "project_id": project.project_id,
                "owner_id": project.owner_id,
                "name": project.name,
                "description": project.description,
                "settings": project.settings,
                "settings_revision": project.settings_revision,
                "revision": project.revision,
                "created_at": at,
                "updated_at": at,
            },
        )

    async def first_of(self, owner_id: str) -> str | None:
        found: str | None = await self._db.fetchval(
            """select project_id from projects where owner_id = $1 and deleted_at is null
               order by created_at, project_id limit 1""",
            owner_id,
        )
        return found

    async def get(self, project_id: str) -> Project | None:
        return project_of(await self._db.fetchrow(_PROJECT, project_id))

    async def lock(self, project_id: str) -> Project | None:
        return project_of(await self._db.fetchrow(_PROJECT + "for no key update", project_id))

    async def save(self, project_id: str, at: datetime, **changes: Any) -> None:
        await update(self._db, "projects", "project_id", project_id, {"updated_at": at, **changes})

    async def episode_ids(self, project_id: str) -> list[str]:
        rows = await self._db.fetch(
            "select episode_id from episodes where project_id = $1 and deleted_at is null order by episode_id",
            project_id,
        )
        return [r["episode_id"] for r in rows]

    async def spent(self, project_id: str, since: datetime | None, currency: str) -> Decimal:
        found: Decimal = await self._db.fetchval(_SPENT, project_id, currency, since)
        return found

    async def stored_bytes(self, project_id: str) -> int:
        return int(await self._db.fetchval(f"select {STORED_BYTES.format(project='$1::uuid')}", project_id))

    async def lock_storage(self, project_id: str) -> None:
        """Until the transaction ends, nobody else adds a file of known size to the project."""
        await self._db.execute(_LOCK_STORAGE, project_id)


def project_of(row: asyncpg.Record | None) -> Project | None:
    return Project(**dict(row)) if row else None
