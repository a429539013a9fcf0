"""Imports and how many of their runs have ended."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from services.gateway.domain.imports import Import
from services.gateway.store.sql import insert, update
from shared.contracts.values import Actor
from shared.postgres.pool import Connection

_IMPORT: Final = """
    select i.import_id, i.project_id, p.owner_id, i.episode_id, i.source, i.status, i.run_rev, i.actor, i.warnings,
           i.percent, i.clips_taken
    from imports i join projects p using (project_id) where i.import_id = $1 for no key update of i
"""
_LEFT: Final = """
    select count(*) filter (where status in ('requested', 'queued', 'generating', 'preview_ready', 'accepted'))
               as unfinished,
           count(*) as total
    from runs where import_id = $1
"""
_ACTIVE: Final = """
    select run_id from runs where import_id = $1 and status in ('requested', 'queued', 'generating') order by run_id
"""


class ImportRepository:
    def __init__(self, connection: Connection) -> None:
        self._db = connection

    async def insert(self, row: Import, at: datetime) -> None:
        await insert(
            self._db,
            "imports",
            {
                "import_id": row.import_id,
                "project_id": row.project_id,
                "episode_id": row.episode_id,
                "source": row.source,
                "status": row.status,
                "percent": row.percent,
                "warnings": list(row.warnings),
                "actor": row.actor.model_dump(),
                "upload_id": row.upload_id,
                "created_at": at,
                "updated_at": at,
            },
        )

    async def lock(self, import_id: str) -> Import | None:
        row = await self._db.fetchrow(_IMPORT, import_id)
        if row is None:
            return None
        return Import(**dict(row) | {"actor": Actor(**row["actor"]), "warnings": tuple(row["warnings"])})

    async def save(self, import_id: str, at: datetime, **changes: Any) -> None:
        await update(self._db, "imports", "import_id", import_id, {"updated_at": at, **changes})

    async def runs_left(self, import_id: str) -> tuple[int, int]:
        """(how many of the import's runs have not ended, how many there are)."""
        row = await self._db.fetchrow(_LEFT, import_id)
        return (row["unfinished"], row["total"]) if row else (0, 0)

    async def active_runs(self, import_id: str) -> list[str]:
        return [r["run_id"] for r in await self._db.fetch(_ACTIVE, import_id)]
