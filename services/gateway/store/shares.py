"""Share links."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import asyncpg

from services.gateway.domain.accounts import Role
from services.gateway.domain.shares import Share
from services.gateway.store.sql import insert
from shared.postgres.pool import Connection

_LIVE: Final = "s.revoked_at is null and s.expires_at > $2"
_SHARE: Final = "select s.share_id, s.project_id, s.episode_id, s.role, s.label, s.expires_at from shares s"
_OF_TOKEN: Final = f"""
    {_SHARE} join episodes e on e.episode_id = s.episode_id and e.deleted_at is null
    join projects p on p.project_id = s.project_id and p.deleted_at is null
    where s.token_sha256 = $1 and {_LIVE}
"""


class ShareRepository:
    def __init__(self, connection: Connection) -> None:
        self._db = connection

    async def insert(self, share: Share, token_sha256: str, created_by: str, at: datetime) -> None:
        await insert(
            self._db,
            "shares",
            {
                "share_id": share.share_id,
                "project_id": share.project_id,
                "episode_id": share.episode_id,
                "role": share.role.value,
                "label": share.label,
                "token_sha256": token_sha256,
                "created_by": created_by,
                "created_at": at,
                "updated_at": at,
                "expires_at": share.expires_at,
            },
        )

    async def count_live(self, project_id: str, now: datetime) -> int:
        sql = f"select count(*) from shares s where s.project_id = $1 and {_LIVE}"
        return int(await self._db.fetchval(sql, project_id, now))

    async def of_token(self, token_sha256: str, now: datetime) -> Share | None:
        """None: no link has this token, or it is over, revoked, or its episode was deleted."""
        row = await self._db.fetchrow(_OF_TOKEN, token_sha256, now)
        return _share(row) if row else None

    async def revoke(self, project_id: str, share_id: str, at: datetime) -> bool:
        """Whether it is revoked now; it may have been before. False: the project has no such share."""
        return bool(
            await self._db.fetchval(
                """update shares set revoked_at = coalesce(revoked_at, $3), updated_at = coalesce(revoked_at, $3)
                   where project_id = $1 and share_id = $2 returning true""",
                project_id,
                share_id,
                at,
            )
        )


def _share(row: asyncpg.Record) -> Share:
    return Share(**dict(row) | {"role": Role(row["role"])})
