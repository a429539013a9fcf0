"""Users, members and their access; what a user has requested and spent."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Final

from services.gateway.domain.accounts import Caller, Resource, Role
from services.gateway.domain.shares import GUEST, is_guest
from shared.postgres.pool import Connection

_PROJECT_OF: Final[dict[Resource, str]] = {
    "project": "select project_id from projects where project_id = $2",
    "episode": "select project_id from episodes where episode_id = $2 and deleted_at is null",
    "segment": "select project_id from segments where segment_id = $2 and deleted_at is null",
    "deleted segment": "select s.project_id from segments s join episodes e using (episode_id) "
    "where s.segment_id = $2 and e.deleted_at is null",
    "asset": "select project_id from assets where asset_id = $2 and deleted_at is null",
    "run": "select r.project_id from runs r join assets a using (asset_id) "
    "where r.run_id = $2 and a.deleted_at is null",
    "version": "select v.project_id from versions v join assets a using (asset_id) "
    "where v.version_id = $2 and a.deleted_at is null",
    "note": "select n.project_id from notes n join assets a using (asset_id) "
    "where n.note_id = $2 and a.deleted_at is null",
    "batch": "select b.project_id from batches b join episodes e using (episode_id) "
    "where b.batch_id = $2 and e.deleted_at is null",
    "compilation": "select c.project_id from compilations c join episodes e using (episode_id) "
    "where c.compilation_id = $2 and e.deleted_at is null",
    "import": "select project_id from imports where import_id = $2",  # kept longer than its episode
    "partial upload": "select project_id from partial_uploads where partial_id = $2",
    "upload": "select project_id from uploads where upload_id = $2 and deleted_at is null",
}
_ACCESS: Final = """
    select p.project_id, p.owner_id, m.role, null::timestamptz as until
    from ({of}) it
    join projects p on p.project_id = it.project_id and p.deleted_at is null
    join members m on m.project_id = p.project_id and m.user_id = $1
"""
_EPISODE_OF: Final[dict[Resource, str]] = {
    "episode": "select episode_id from episodes where episode_id = $2",
    "segment": "select episode_id from segments where segment_id = $2 and deleted_at is null",
    "deleted segment": "select episode_id from segments where segment_id = $2",
    "asset": "select episode_id from assets where asset_id = $2 and deleted_at is null",
    "run": "select r.episode_id from runs r join assets a using (asset_id) "
    "where r.run_id = $2 and a.deleted_at is null",
    "version": "select v.episode_id from versions v join assets a using (asset_id) "
    "where v.version_id = $2 and a.deleted_at is null",
    "note": "select n.episode_id from notes n join assets a using (asset_id) "
    "where n.note_id = $2 and a.deleted_at is null",
    "batch": "select episode_id from batches where batch_id = $2",
    "compilation": "select episode_id from compilations where compilation_id = $2",
}
"""Of what a guest may see. Projects, uploads and imports are not among it."""
_GUEST_ACCESS: Final = """
    select p.project_id, p.owner_id, s.role, s.expires_at as until
    from ({of}) it
    join episodes e on e.episode_id = it.episode_id and e.deleted_at is null
    join projects p on p.project_id = e.project_id and p.deleted_at is null
    join shares s on s.episode_id = e.episode_id
    where $1 = '{guest}' || s.share_id and s.revoked_at is null and s.expires_at > now()
"""
# Counted from the newest back: the first generation with which the count is exceeded.
_BEYOND: Final = """
    select created_at from (
        select created_at,
               sum(coalesce((request ->> 'variants')::int, 1)) over (order by created_at desc, run_id) as upto
        from runs where source = 'generate' and actor ->> 'user_id' = $1 and created_at > $2
    ) requested
    where upto > $3 order by created_at desc limit 1
"""
_REQUESTED: Final = """
    select coalesce(sum(coalesce((request ->> 'variants')::int, 1)), 0) from runs
    where source = 'generate' and actor ->> 'user_id' = $1 and created_at > $2
"""
_SPENT_BY: Final = """
    select coalesce(sum(cost_amount + cost_unknown), 0) from runs
    where source = 'generate' and actor ->> 'user_id' = $1 and created_at >= $2 and cost_currency = $3
"""


class AccountRepository:
    def __init__(self, connection: Connection) -> None:
        self._db = connection

    async def remember(self, user_id: str, name: str, at: datetime) -> None:
        await self._db.execute(
            """insert into users (user_id, name, created_at, updated_at) values ($1, $2, $3, $3)
               on conflict (user_id) do update set name = $2, updated_at = $3 where users.name <> $2""",
            user_id,
            name,
            at,
        )

    async def exists(self, user_id: str) -> bool:
        return bool(await self._db.fetchval("select 1 from users where user_id = $1", user_id))

    async def access(self, user_id: str, resource: Resource, resource_id: str) -> Caller | None:
        """None: the resource is absent or deleted, or the user is neither a member of its project nor a
        guest of its episode."""
        if is_guest(user_id):
            of = _EPISODE_OF.get(resource)
            sql = _GUEST_ACCESS.format(of=of, guest=GUEST) if of else None
        else:
            sql = _ACCESS.format(of=_PROJECT_OF[resource])
        row = await self._db.fetchrow(sql, user_id, resource_id) if sql else None
        return Caller(user_id, row["project_id"], row["owner_id"], Role(row["role"]), row["until"]) if row else None

    async def generations_beyond(self, user_id: str, since: datetime, count: int) -> datetime | None:
        """The creation time of the generation that must leave the window so that at most `count` remain; None: there
        are no more than `count` since `since`."""
        found: datetime | None = await self._db.fetchval(_BEYOND, user_id, since, count)
        return found

    async def generations(self, user_id: str, since: datetime) -> int:
        return int(await self._db.fetchval(_REQUESTED, user_id, since))

    async def spent(self, user_id: str, since: datetime, currency: str) -> Decimal:
        found: Decimal = await self._db.fetchval(_SPENT_BY, user_id, since, currency)
        return found

    async def lock_members(self, project_id: str) -> dict[str, Role]:
        await self._db.execute("select 1 from projects where project_id = $1 for no key update", project_id)
        rows = await self._db.fetch("select user_id, role from members where project_id = $1", project_id)
        return {r["user_id"]: Role(r["role"]) for r in rows}

    async def put_member(self, project_id: str, user_id: str, role: Role, at: datetime) -> None:
        await self._db.execute(
            """insert into members (project_id, user_id, role, created_at, updated_at) values ($1, $2, $3, $4, $4)
               on conflict (project_id, user_id) do update set role = $3, updated_at = $4""",
            project_id,
            user_id,
            role,
            at,
        )

    async def remove_member(self, project_id: str, user_id: str) -> None:
        await self._db.execute("delete from members where project_id = $1 and user_id = $2", project_id, user_id)
