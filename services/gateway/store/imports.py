"""Imports and uploads."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from services.gateway.commands.rows import Import, Upload
from services.gateway.store.sql import insert, update
from shared.contracts.values import Actor, ObjectRef
from shared.core.ids import is_id
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


class PostgresImports:
    """Implements `usecases.ports.Imports`."""

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
        row = await self._db.fetchrow(_LEFT, import_id)
        return (row["unfinished"], row["total"]) if row else (0, 0)

    async def active_runs(self, import_id: str) -> list[str]:
        return [r["run_id"] for r in await self._db.fetch(_ACTIVE, import_id)]


class PostgresUploads:
    """Implements `usecases.ports.Uploads`."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    async def insert(self, upload: Upload, at: datetime) -> None:
        await insert(
            self._db,
            "uploads",
            {
                "upload_id": upload.upload_id,
                "project_id": upload.project_id,
                "filename": upload.filename,
                "content_type": upload.content_type,
                "kind": upload.kind,
                "object": upload.object.model_dump(mode="json"),
                "user_id": upload.user_id,
                "width": upload.width,
                "height": upload.height,
                "duration": upload.duration,
                "created_at": at,
                "updated_at": at,
            },
        )

    async def of_project(self, project_id: str, upload_ids: Sequence[str]) -> dict[str, Upload]:
        """Ids that are none, or not the project's, are simply not found."""
        asked = [u for u in upload_ids if is_id(u)]
        if not asked:
            return {}
        rows = await self._db.fetch(
            """select upload_id, project_id, filename, content_type, kind, object, user_id, width, height, duration
               from uploads where project_id = $1 and upload_id = any($2::uuid[]) and deleted_at is null""",
            project_id,
            asked,
        )
        return {r["upload_id"]: Upload(**dict(r) | {"object": ObjectRef(**r["object"])}) for r in rows}
