"""Projects, their settings, members, uploads, spending and what is going on in them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from services.gateway.api.schemas.accounts import Member, MemberList
from services.gateway.api.schemas.base import Money
from services.gateway.api.schemas.projects import (
    FeedEntry,
    FeedEntryList,
    Metrics,
    Project,
    ProjectList,
    Settings,
    StorageUsage,
    Usage,
    UsageGroup,
)
from services.gateway.api.schemas.uploads import Upload
from services.gateway.domain.messages import Message, said
from services.gateway.domain.paging import Page
from services.gateway.domain.runs import RunStatus
from services.gateway.domain.settings import with_defaults, workflow_of
from services.gateway.queries.base import Filter, QueryBase, Row
from services.gateway.queries.metrics import TARGETS, review_metrics, targets_met
from services.gateway.store.projects import STORED_BYTES
from shared.contracts.values import AssetKind
from shared.contracts.values import SpendCap as StoredCap

_MINE: Final = f"""
    select t.*, m.role, {STORED_BYTES.format(project="t.project_id")} as bytes
    from projects t join members m on m.project_id = t.project_id and m.user_id = $1
    where t.deleted_at is null
"""
_SETTINGS: Final = "select settings, settings_revision, updated_at from projects where project_id = $1"
_MEMBERS: Final = """
    select t.user_id, u.name, t.role, t.created_at, t.updated_at
    from members t join users u on u.user_id = t.user_id where t.project_id = $1
"""
_USAGE: Final = {
    "day": "to_char(created_at, 'YYYY-MM-DD')",
    "month": "to_char(created_at, 'YYYY-MM')",
    "kind": "kind",
    "provider": "coalesce(provider, 'unknown')",
    "model": "coalesce(settings #>> '{model,value}', 'unknown')",
    "episode": "episode_id::text",
}
"""What spending can be grouped by."""

_SPENT: Final = """
    select {group} as part, cost_currency as currency, count(*) as runs, sum(cost_amount) as amount,
           coalesce(sum(cost_amount) filter (where cost ->> 'basis' = 'estimated'), 0) as estimated,
           count(*) filter (where cost_unknown > 0) as unknown_runs,
           sum(cost_unknown) as unknown_at_most
    from runs
    where project_id = $1 and ($2::timestamptz is null or created_at >= $2)
      and ($3::timestamptz is null or created_at < $3)
    group by 1, 2 order by 1, 2
"""
_UPLOAD: Final = "select t.* from uploads t where t.upload_id = $1 and t.deleted_at is null"

_PROGRESS: Final = """
    select t.id, t.run_id, t.state, t.step, t.message_code, t.message_args, t.attempt, t.at,
           r.asset_id, r.episode_id, r.segment_id, r.kind, r.status, r.batch_id, a.label, s.number as segment_number,
           v.version_id, v.poster, v.status as version_status, v.committed_at, v.created_at as version_created_at,
           v.retired_at
    from run_steps t
    join runs r on r.run_id = t.run_id
    join assets a on a.asset_id = r.asset_id
    left join segments s on s.segment_id = r.segment_id
    left join versions v on v.version_id = coalesce(r.version_id, r.candidates[1])
    where t.project_id = $1
"""


class ProjectQueries(QueryBase):
    async def project(self, project_id: str) -> Project:
        sql = _MINE + " and t.project_id = $2"
        return _project(await self._one("project", sql, self._links.user_id, project_id))

    async def projects(self, page: Page) -> ProjectList:
        rows, following = await self._page(
            _MINE, [self._links.user_id], page, by="t.project_id", filters={"project_id": Filter("t.project_id")}
        )
        return ProjectList(data=[_project(r) for r in rows], next_cursor=following)

    async def settings(self, project_id: str) -> Settings:
        row = await self._one("project", _SETTINGS, project_id)
        workflow = workflow_of(row["settings"], project_id, self._step_by_step_share)
        settings = with_defaults(row["settings"])
        cap = settings["spend_cap"]
        return Settings(
            **settings | {"workflow": workflow, "spend_cap": StoredCap(**cap).model_dump() if cap else None},
            project_id=project_id,
            revision=row["settings_revision"],
            updated_at=row["updated_at"],
        )

    async def members(self, project_id: str, page: Page) -> MemberList:
        rows, following = await self._page(_MEMBERS, [project_id], page, by="t.user_id", down=False)
        return MemberList(data=[_member(r) for r in rows], next_cursor=following)

    async def member(self, project_id: str, user_id: str) -> Member:
        return _member(await self._one("member", _MEMBERS + " and t.user_id = $2", project_id, user_id))

    async def usage(
        self,
        project_id: str,
        start: datetime | None,
        end: datetime | None,
        group_by: str,
        storage_limit: int | None = None,
    ) -> Usage:
        stored = await self._connection.fetchval(f"select {STORED_BYTES.format(project='$1::uuid')}", project_id)
        rows = await self._connection.fetch(_SPENT.format(group=_USAGE[group_by]), project_id, start, end)
        groups = [
            UsageGroup(
                key=r["part"],
                runs=r["runs"],
                amount=str(r["amount"]),
                currency=r["currency"],
                estimated=str(r["estimated"]),
                unknown_runs=r["unknown_runs"],
                unknown_at_most=str(r["unknown_at_most"]),
            )
            for r in rows
        ]
        return Usage(
            project_id=project_id,
            from_=start,
            to=end,
            group_by=group_by,
            totals=_totals(rows, "amount"),
            unknown=[m for m in _totals(rows, "unknown_at_most") if Decimal(m.amount)],
            groups=groups,
            storage=StorageUsage(used=int(stored), limit=storage_limit),
        )

    async def metrics(self, project_id: str, episode_id: str | None) -> Metrics:
        found = await review_metrics(self._connection, project_id, episode_id)
        return Metrics(project_id=project_id, episode_id=episode_id, **found, met=targets_met(found), targets=TARGETS)

    async def progress(self, project_id: str, page: Page) -> FeedEntryList:
        rows, following = await self._page(
            _PROGRESS,
            [project_id],
            page,
            by="t.id",
            created="t.at",
            filters={
                "kind": Filter("r.kind", tuple(AssetKind)),
                "status": Filter("t.state", tuple(RunStatus)),
                "episode_id": Filter("r.episode_id"),
                "run_id": Filter("r.run_id"),
                "segment_id": Filter("r.segment_id"),
                "asset_id": Filter("r.asset_id"),
                "batch_id": Filter("r.batch_id"),
            },
        )
        return FeedEntryList(data=[self._entry(r) for r in rows], next_cursor=following)

    def _entry(self, row: Row) -> FeedEntry:
        """One line of the feed: what happened, with the picture and the ids that lead to its editor."""
        poster = None
        if row["poster"] and not row["retired_at"]:
            poster = (
                self._links.preview(row["version_id"], "poster")
                if row["version_status"] == "preview"
                else self._links.committed(
                    "versions", row["version_id"], "poster", row["committed_at"] or row["version_created_at"]
                )
            )
        return FeedEntry(
            id=str(row["id"]),
            run_id=row["run_id"],
            episode_id=row["episode_id"],
            asset_id=row["asset_id"],
            segment_id=row["segment_id"],
            segment_number=row["segment_number"],
            batch_id=row["batch_id"],
            kind=row["kind"],
            label=row["label"],
            state=row["state"],
            step=row["step"],
            attempt=row["attempt"],
            run_status=row["status"],
            **said(Message(row["message_code"], row["message_args"])),
            thumbnail_url=poster,
            at=row["at"],
        )

    async def upload(self, upload_id: str) -> Upload:
        row = await self._one("upload", _UPLOAD, upload_id)
        return Upload(
            id=row["upload_id"],
            project_id=row["project_id"],
            filename=row["filename"],
            content_type=row["content_type"],
            kind=row["kind"],
            size=row["object"]["size"],
            sha256=row["object"]["sha256"],
            width=row["width"],
            height=row["height"],
            duration=row["duration"],
            fps=row["fps"],
            url=self._links.committed("uploads", upload_id, "content", row["created_at"]),
            created_at=row["created_at"],
            updated_at=row["updated_at"],
        )


def _project(row: Row) -> Project:
    return Project(
        id=row["project_id"],
        name=row["name"],
        description=row["description"],
        my_role=row["role"],
        bytes=int(row["bytes"]),
        revision=row["revision"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def _member(row: Row) -> Member:
    return Member(
        user_id=row["user_id"],
        name=row["name"],
        role=row["role"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def _totals(rows: list[Row], column: str) -> list[Money]:
    totals: dict[str, Any] = {}
    for row in rows:
        totals[row["currency"]] = totals.get(row["currency"], 0) + row[column]
    return [Money(amount=str(amount), currency=currency) for currency, amount in totals.items()]
