"""Runs with their versions, steps and reviews; reviews alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from services.gateway.api.schemas.reviews import Review, ReviewList
from services.gateway.api.schemas.runs import Run, RunList, Step
from services.gateway.domain.messages import Message, said
from services.gateway.domain.paging import Page
from services.gateway.domain.runs import RunStatus
from services.gateway.queries.base import Filter, Row, costs, failure
from services.gateway.queries.versions import VersionQueries
from shared.contracts.events.gateway import DecisionAction
from shared.contracts.values import AssetKind

SILENT: Final = timedelta(seconds=60)  # a worker tells of itself at least once a second while it works
UNCLAIMED: Final = timedelta(seconds=30)

_SELECT: Final = """
    select t.*, s.number as segment_number, a.label, p.name as project_name, e.title as episode_title
    from runs t join assets a on a.asset_id = t.asset_id left join segments s on s.segment_id = t.segment_id
    join projects p on p.project_id = t.project_id join episodes e on e.episode_id = t.episode_id
"""
_ONE: Final = _SELECT + "where t.run_id = $1"
_SOME: Final = _SELECT + "where t.run_id = any($1::uuid[])"
_LIST: Final = _SELECT + "where ($1::uuid is null or t.project_id = $1) and ($2::uuid is null or t.asset_id = $2)"
_MINE: Final = (
    _SELECT
    + """
    join members m on m.project_id = t.project_id and m.user_id = $1
    where p.deleted_at is null and a.deleted_at is null
"""
)
_IS_WAITING: Final = " and t.status = 'preview_ready'"  # as a constant, so that the index of what waits is used
_WAITING: Final = f"""
    select count(*) from runs t join assets a on a.asset_id = t.asset_id
    join projects p on p.project_id = t.project_id join members m on m.project_id = t.project_id and m.user_id = $1
    where p.deleted_at is null and a.deleted_at is null {_IS_WAITING}
"""
_STEPS: Final = """
    select run_id, state, step, message_code, message_args, attempt, at
    from run_steps where run_id = any($1::uuid[]) order by id
"""
_REVIEW: Final = "select t.*, u.name as author from reviews t left join users u on u.user_id = t.user_id "
_REVIEWS_OF: Final = (
    _REVIEW
    + """
    where t.run_id = any($1::uuid[]) and t.verdict <> 'refused' order by t.created_at
"""
)
VERDICTS: Final = ("pending", "accepted", "rejected", "refused")
OUTCOMES: Final = ("accepted", "rejected", "expired", "withdrawn")


class RunQueries(VersionQueries):
    async def run(self, run_id: str) -> Run:
        return (await self._runs([await self._one("run", _ONE, run_id)]))[0]

    async def runs(self, page: Page, *, project_id: str | None = None, asset_id: str | None = None) -> RunList:
        rows, following = await self._page(
            _LIST, [project_id, asset_id], page, by="t.run_id", filters=self._run_filters()
        )
        return RunList(data=await self._runs(rows), next_cursor=following)

    async def my_runs(self, page: Page) -> RunList:
        """Of all projects that the caller is a member of."""
        only_waiting = tuple(page.filters.get("status", ())) == (RunStatus.PREVIEW_READY,)
        sql = _MINE + (_IS_WAITING if only_waiting else "")
        filters = self._run_filters() | {"project_id": Filter("t.project_id")}
        rows, following = await self._page(sql, [self._links.user_id], page, by="t.run_id", filters=filters)
        return RunList(data=await self._runs(rows), next_cursor=following)

    async def waiting_reviews(self) -> int:
        """How many of the caller's runs wait for a decision."""
        found: int = await self._connection.fetchval(_WAITING, self._links.user_id)
        return found

    def _run_filters(self) -> dict[str, Filter]:
        return {
            "kind": Filter("t.kind", tuple(AssetKind)),
            "status": Filter("t.status", tuple(RunStatus)),
            "provider": Filter("t.provider", self._providers),
            "episode_id": Filter("t.episode_id"),
            "segment_id": Filter("t.segment_id"),
            "asset_id": Filter("t.asset_id"),
            "batch_id": Filter("t.batch_id"),
            "run_id": Filter("t.run_id"),
        }

    async def reviews(self, page: Page, *, project_id: str) -> ReviewList:
        filters = {
            "kind": Filter("t.kind", tuple(AssetKind)),
            "action": Filter("t.action", tuple(DecisionAction)),
            "status": Filter("t.verdict", VERDICTS),
            "episode_id": Filter("t.episode_id"),
            "segment_id": Filter("t.segment_id"),
            "asset_id": Filter("t.asset_id"),
            "run_id": Filter("t.run_id"),
            "version_id": Filter("t.version_id"),
        }
        rows, following = await self._page(
            _REVIEW + "where t.project_id = $1", [project_id], page, by="t.review_id", filters=filters
        )
        return ReviewList(data=[_review(r) for r in rows], next_cursor=following)

    async def review(self, review_id: str) -> Review:
        return _review(await self._one("review", _REVIEW + "where t.review_id = $1", review_id))

    async def _runs_by_id(self, run_ids: Sequence[str]) -> dict[str, Run]:
        if not run_ids:
            return {}
        return {r.id: r for r in await self._runs(await self._connection.fetch(_SOME, list(run_ids)))}

    async def _runs(self, rows: Sequence[Row]) -> list[Run]:
        if not rows:
            return []
        run_ids = [r["run_id"] for r in rows]
        versions = await self._versions_of([v for r in rows for v in r["candidates"]])
        reviews = {r["run_id"]: r for r in await self._connection.fetch(_REVIEWS_OF, run_ids)}
        steps: dict[str, list[Step]] = {}
        for step in await self._connection.fetch(_STEPS, run_ids):
            steps.setdefault(step["run_id"], []).append(_step(step))
        return [self._run(r, versions, reviews.get(r["run_id"]), steps.get(r["run_id"], [])) for r in rows]

    def _run(self, row: Row, versions: dict[str, Row], review: Row | None, steps: list[Step]) -> Run:
        return Run(
            id=row["run_id"],
            project_id=row["project_id"],
            project_name=row["project_name"],
            episode_id=row["episode_id"],
            episode_title=row["episode_title"],
            asset_id=row["asset_id"],
            segment_id=row["segment_id"],
            segment_number=row["segment_number"],
            batch_id=row["batch_id"],
            import_id=row["import_id"],
            kind=row["kind"],
            label=row["label"],
            number=row["number"],
            source=row["source"],
            parent_run_id=row["parent_run_id"],
            parent_reason=row["parent_reason"],
            status=row["status"],
            step=row["step"],
            percent=row["percent"],
            **said(self._news(row)),
            attempt=row["attempt"],
            steps=steps,
            directions=row["request"]["overrides"].get("directions"),
            style_adjustments=_adjustment(row, "style_adjustments"),
            character_prompt=_adjustment(row, "character_prompt"),
            settings=row["settings"],
            provider=row["provider"],
            versions=[self._version(versions[v]) for v in row["candidates"] if v in versions],
            version_id=row["version_id"],
            lost=[f for p in row["lost"] if (f := failure(p))],
            deadline=row["deadline"],
            review=_review(review) if review else None,
            review_outcome=row["verdict"] if row["verdict"] in OUTCOMES else None,
            auto_approve=row["auto_approve"],
            error=failure(row["error"]),
            cost=costs(row["cost"]),
            started_at=row["started_at"],
            finished_at=row["finished_at"],
            created_at=row["created_at"],
            updated_at=row["updated_at"],
        )

    def _news(self, row: Row) -> Message | None:
        """The run's own words, unless nobody has been heard of for too long."""
        quiet = self._now - (row["heard_at"] or row["created_at"])
        waits = row["held"] or row["step"] in ("waiting_for_limit", "retrying")  # and said for what
        if row["status"] in ("requested", "queued") and not waits and quiet > UNCLAIMED:
            return Message("run.no_worker", {})
        if row["status"] == "generating" and not waits and quiet > SILENT:
            return Message("run.silent_worker", {"since": str(row["heard_at"] or row["created_at"])})
        return Message.stored(row["message_code"], row["message_args"])


def _step(row: Row) -> Step:
    return Step(
        state=row["state"],
        step=row["step"],
        attempt=row["attempt"],
        at=row["at"],
        **said(Message(row["message_code"], row["message_args"])),
    )


def _review(row: Row) -> Review:
    return Review(
        id=row["review_id"],
        project_id=row["project_id"],
        episode_id=row["episode_id"],
        asset_id=row["asset_id"],
        segment_id=row["segment_id"],
        run_id=row["run_id"],
        version_id=row["version_id"],
        kind=row["kind"],
        action=row["action"],
        rating=row["rating"],
        feedback=row["feedback"],
        suggested_changes=row["suggested_changes"],
        regenerate=row["regenerate"],
        note_ids=row["note_ids"],
        user_id=row["user_id"],
        author=row["author"],
        verdict=row["verdict"],
        reason=row["reason"],
        next_run_id=row["next_run_id"],
        decided_at=row["decided_at"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def _adjustment(row: Row, name: str) -> str | None:
    """As the generator resolved it, or as it was requested while the generator has not begun."""
    resolved = (row["settings"] or {}).get(name)
    found: str | None = resolved["value"] if resolved else row["request"]["overrides"].get(name)
    return found or None
