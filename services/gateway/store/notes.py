"""Notes about versions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import asyncpg

from services.gateway.domain.notes import Box, Note
from services.gateway.store.sql import insert, update
from shared.postgres.pool import Connection

_COLUMNS: Final = (
    "note_id, project_id, episode_id, asset_id, version_id, at, until, text, box, user_id, resolved_at, revision"
)
_ONE: Final = f"select {_COLUMNS} from notes where note_id = $1 for update"
_OPEN: Final = """
    select version_id, at, until, text, user_id
    from unnest($1::uuid[]) with ordinality as film(version_id, place) join notes using (version_id)
    where resolved_at is null order by place, at, note_id limit $2
"""


class NoteRepository:
    def __init__(self, connection: Connection) -> None:
        self._db = connection

    async def insert(self, note: Note, at: datetime) -> None:
        values = {name: getattr(note, name) for name in _COLUMNS.split(", ")}
        await insert(
            self._db,
            "notes",
            values | {"box": note.box.to_json() if note.box else None, "created_at": at, "updated_at": at},
        )

    async def lock(self, note_id: str) -> Note | None:
        return _note(await self._db.fetchrow(_ONE, note_id))

    async def lock_count(self, version_id: str) -> int:
        """How many notes a version has; nobody else adds one until the transaction ends."""
        await self._db.execute("select 1 from versions where version_id = $1 for update", version_id)
        return int(await self._db.fetchval("select count(*) from notes where version_id = $1", version_id))

    async def of_version(self, version_id: str, note_ids: Sequence[str]) -> set[str]:
        """Those of the ids that are notes of this version."""
        sql = "select note_id from notes where version_id = $1 and note_id = any($2::uuid[])"
        return {r["note_id"] for r in await self._db.fetch(sql, version_id, list(note_ids))}

    async def open(self, version_ids: Sequence[str], limit: int) -> list[dict[str, Any]]:
        """The unresolved notes of the versions, in that order and by time: version_id, at, until, text, user_id."""
        return [dict(r) for r in await self._db.fetch(_OPEN, list(version_ids), limit)]

    async def save(self, note_id: str, at: datetime, **changes: Any) -> None:
        await update(self._db, "notes", "note_id", note_id, {"updated_at": at, **changes})

    async def delete(self, note_id: str) -> None:
        await self._db.execute("delete from notes where note_id = $1", note_id)


def _note(row: asyncpg.Record | None) -> Note | None:
    return None if row is None else Note(**dict(row) | {"box": Box.of(row["box"])})
