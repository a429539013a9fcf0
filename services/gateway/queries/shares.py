"""The share links of a project."""

from __future__ import annotations

from typing import Final

from services.gateway.api.schemas.shares import Share, ShareList
from services.gateway.domain.paging import Page
from services.gateway.domain.shares import GUEST
from services.gateway.queries.base import Filter, QueryBase, Row

_SHARES: Final = "select t.* from shares t where t.project_id = $1"


class ShareQueries(QueryBase):
    async def shares(self, project_id: str, page: Page) -> ShareList:
        filters = {"episode_id": Filter("t.episode_id")}
        rows, following = await self._page(_SHARES, [project_id], page, by="t.share_id", filters=filters)
        return ShareList(data=[_share(r) for r in rows], next_cursor=following)

    async def share(self, project_id: str, share_id: str) -> Share:
        return _share(await self._one("share", _SHARES + " and t.share_id = $2", project_id, share_id))


def _share(row: Row) -> Share:
    return Share(
        id=row["share_id"],
        project_id=row["project_id"],
        episode_id=row["episode_id"],
        role=row["role"],
        label=row["label"],
        user_id=f"{GUEST}{row['share_id']}",
        created_by=row["created_by"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
