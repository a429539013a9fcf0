"""Uploaded files."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from services.gateway.domain.uploads import Upload
from services.gateway.store.sql import insert
from shared.contracts.values import ObjectRef
from shared.core.ids import is_id
from shared.postgres.pool import Connection


class UploadRepository:
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
                "fps": upload.fps,
                "created_at": at,
                "updated_at": at,
            },
        )

    async def of_project(self, project_id: str, upload_ids: Sequence[str]) -> dict[str, Upload]:
        """By id. Malformed ids and uploads of other projects are left out."""
        valid_ids = [u for u in upload_ids if is_id(u)]
        if not valid_ids:
            return {}
        rows = await self._db.fetch(
            """select upload_id, project_id, filename, content_type, kind, object, user_id, width, height, duration,
                      fps
               from uploads where project_id = $1 and upload_id = any($2::uuid[]) and deleted_at is null""",
            project_id,
            valid_ids,
        )
        return {r["upload_id"]: Upload(**dict(r) | {"object": ObjectRef(**r["object"])}) for r in rows}
