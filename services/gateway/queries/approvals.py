"""Who approved what, by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from services.gateway.queries.base import QueryBase

_APPROVERS: Final = """
    select coalesce(u.name, t.user_id) as name from reviews t left join users u on u.user_id = t.user_id
    where t.version_id = $1 and t.action = 'approve' and t.verdict = 'accepted' and t.user_id is not null
    order by t.decided_at
"""


class ApprovalQueries(QueryBase):
    async def approvers(self, version_id: str) -> list[str]:
        """In the order of their approvals, each once."""
        rows = await self._connection.fetch(_APPROVERS, version_id)
        return list(dict.fromkeys(r["name"] for r in rows))

    async def unsigned_reason(self, version_id: str) -> str | None:
        found: str | None = await self._connection.fetchval(
            "select info ->> 'unsigned_reason' from versions where version_id = $1", version_id
        )
        return found

    async def names_of(self, user_ids: Sequence[str]) -> dict[str, str]:
        rows = await self._connection.fetch(
            "select user_id, name from users where user_id = any($1::text[])", list(user_ids)
        )
        return {r["user_id"]: r["name"] for r in rows}
