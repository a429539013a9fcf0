"""Files that are sent in parts."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import asyncpg

from services.gateway.domain.partial_uploads import KEPT, PartialUpload
from services.gateway.store.sql import insert
from shared.contracts.values import ObjectRef
from shared.postgres.pool import Connection

_COLUMNS: Final = (
    "partial_id, project_id, user_id, filename, size, received, content_type, parts, upload_id, expires_at"
)
_APPEND: Final = f"""
    update partial_uploads
    set received = received + $3, parts = parts || $4::jsonb, content_type = coalesce(content_type, $5),
        expires_at = $6, updated_at = $7
    where partial_id = $1 and received = $2 and upload_id is null returning {_COLUMNS}
"""


class PartialUploadRepository:
    def __init__(self, connection: Connection) -> None:
        self._db = connection

    async def insert(
        self, partial_id: str, project_id: str, user_id: str, filename: str, size: int, at: datetime
    ) -> None:
        await insert(
            self._db,
            "partial_uploads",
            {
                "partial_id": partial_id,
                "project_id": project_id,
                "user_id": user_id,
                "filename": filename,
                "size": size,
                "expires_at": at + KEPT,
                "created_at": at,
                "updated_at": at,
            },
        )

    async def get(self, partial_id: str) -> PartialUpload | None:
        return _partial(
            await self._db.fetchrow(f"select {_COLUMNS} from partial_uploads where partial_id = $1", partial_id)
        )

    async def append(
        self, partial_id: str, offset: int, part: ObjectRef, content_type: str | None, at: datetime
    ) -> PartialUpload | None:
        """None: another part begins there, or it is complete or gone."""
        stored = [part.model_dump(mode="json")]
        return _partial(
            await self._db.fetchrow(_APPEND, partial_id, offset, part.size, stored, content_type, at + KEPT, at)
        )

    async def complete(self, partial_id: str, upload_id: str, at: datetime) -> bool:
        """False: it has become an upload before, or is gone."""
        return bool(
            await self._db.fetchval(
                "update partial_uploads set upload_id = $2, parts = '[]', updated_at = $3 "
                "where partial_id = $1 and upload_id is null returning 1",
                partial_id,
                upload_id,
                at,
            )
        )

    async def delete(self, partial_id: str) -> None:
        await self._db.execute("delete from partial_uploads where partial_id = $1", partial_id)


def _partial(row: asyncpg.Record | None) -> PartialUpload | None:
    if row is None:
        return None
    return PartialUpload(**dict(row) | {"parts": tuple(ObjectRef(**part) for part in row["parts"])})
