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


def project_of(row: asyncpg.Record | None) -> Project | None:
    return Project(**dict(row)) if row else None
