"""Batches, their items, and the rows that the planner reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import asyncpg

from services.gateway.domain.batch_messages import EpisodeCounts
from services.gateway.domain.batch_planner import EXPIRED, Item, SegmentSlots, Slot, SlotRun, item_problem
from services.gateway.domain.batches import Batch, BatchCounts, BatchPolicy, BatchStatus, NewBatch
from services.gateway.domain.runs import RunStatus
from services.gateway.domain.segments import NewestRun, SegmentState, segment_state
from services.gateway.domain.timestamps import strictly_after
from services.gateway.store.sql import insert, insert_many, update
from shared.contracts.messages import problem_text
from shared.contracts.values import Actor, AssetKind
from shared.postgres.pool import Connection

_BATCH: Final = """
    select b.batch_id, b.project_id, p.owner_id, b.episode_id, b.mode, b.batch_size, b.auto_approve, b.review,
           b.review_timeout_s, b.compile, b.status, b.completed, b.approved, b.failed, b.total, b.current_segment,
           b.actor, b.correlation_id, b.created_at, b.updated_at, b.message_code, b.message_args, b.failed_segments
    from batches b join projects p using (project_id)
    where b.batch_id = $1 for no key update of b
"""
_LIVE: Final = """
    select batch_id from batches where episode_id = $1 and status in ('running', 'waiting_review', 'paused')
"""
_ASSETS: Final = """
    select a.asset_id, a.segment_id, s.number, a.kind
    from assets a left join segments s on s.segment_id = a.segment_id
    where a.episode_id = $1 and a.deleted_at is null and a.kind <> 'image'
    order by s.number nulls last, a.kind
"""
# The newest run counts if it is active or has ended since the batch began: an older failure must not leave an asset,
# and an older rejection must not make the batch wait.
_ROWS: Final = """
    select i.asset_id, i.kind, i.skipped, i.refused, s.segment_id, s.number,
           a.committed_version_id is not null as committed,
           coalesce(btrim(a.draft->>'directions'), '') <> '' as has_text,
           r.run_id, r.status, r.auto_approve, r.error,
           newest.status as newest_status, newest.needs_revision, newest.parent_status
    from batch_items i
    join assets a on a.asset_id = i.asset_id and a.deleted_at is null
    left join segments s on s.segment_id = i.segment_id
    left join lateral (
        select run_id, status, auto_approve, error, finished_at from runs
        where asset_id = i.asset_id and not held order by number desc limit 1
    ) r on r.finished_at is null or r.finished_at >= $2
    left join lateral (
        select n.status, n.needs_revision, parent.status as parent_status
        from runs n left join runs parent on parent.run_id = n.parent_run_id
        where n.asset_id = i.asset_id and not n.held and n.status not in ('expired', 'cancelled')
        order by n.number desc limit 1
    ) newest on i.kind = 'video'
    where i.batch_id = $1
    order by s.number nulls last
"""
_SKIP: Final = """
    update batch_items set skipped = true, updated_at = $4
    where batch_id = $1 and (segment_id = any($2::uuid[]) or ($3 and segment_id is null))
"""
_SAVE_ITEMS: Final = """
    update batch_items i set state = new.state, run_id = new.run_id, problem = new.problem, updated_at = $6
    from unnest($2::uuid[], $3::text[], $4::uuid[], $5::jsonb[]) as new(asset_id, state, run_id, problem)
    where i.batch_id = $1 and i.asset_id = new.asset_id
      and (i.state, i.run_id, i.problem) is distinct from (new.state, new.run_id, new.problem)
"""
_DELETED: Final = """
    update batch_items set state = 'deleted', updated_at = $3
    where batch_id = $1 and asset_id <> all($2::uuid[]) and state <> 'deleted'
"""
_MISSING: Final = """
    select distinct kind, model from (
        select distinct on (coalesce(segment_id, asset_id)) kind, draft->'settings'->>'model' as model from assets
        where asset_id = any($1::uuid[]) and committed_version_id is null and btrim(draft->>'directions') <> ''
        order by coalesce(segment_id, asset_id), array_position(array['starting_image', 'video', 'narration'], kind)
    ) first
"""
_EPISODE: Final = """
    select count(*) as total, count(v.committed_version_id) as approved
    from segments s join assets v on v.segment_id = s.segment_id and v.kind = 'video'
    where s.episode_id = $1 and s.deleted_at is null
"""
_ACTIVE: Final = """
    select run_id from runs where batch_id = $1 and status in ('requested', 'queued', 'generating') order by run_id
"""


class BatchRepository:
    def __init__(self, connection: Connection) -> None:
        self._db = connection

    async def insert(self, batch: NewBatch, items: Sequence[tuple[str, str | None, str]]) -> None:
        """`items`: (asset_id, segment_id, kind) of each asset."""
        policy = batch.policy
        await insert(
            self._db,
            "batches",
            {
                "batch_id": batch.batch_id,
                "project_id": batch.project_id,
                "episode_id": batch.episode_id,
                "mode": policy.mode,
                "batch_size": policy.batch_size,
                "start_from": batch.start_from,
                "auto_approve": policy.auto_approve,
                "review": policy.review,
                "segment_ids": None if batch.segment_ids is None else list(batch.segment_ids),
                "review_timeout_s": batch.review_timeout_s,
                "compile": None if batch.compile is None else dict(batch.compile),
                "actor": batch.actor.model_dump(),
                "correlation_id": batch.correlation_id,
                "created_at": batch.at,
                "updated_at": batch.at,
            },
        )
        await insert_many(
            self._db,
            "batch_items",
            [
                {
                    "batch_id": batch.batch_id,
                    "asset_id": asset_id,
                    "segment_id": segment_id,
                    "kind": kind,
                    "updated_at": batch.at,
                }
                for asset_id, segment_id, kind in items
            ],
        )

    async def live_batch(self, episode_id: str) -> str | None:
        found: str | None = await self._db.fetchval(_LIVE, episode_id)
        return found

    async def lock(self, batch_id: str) -> Batch | None:
        row = await self._db.fetchrow(_BATCH, batch_id)
        return _batch(row) if row else None

    async def assets_of_episode(self, episode_id: str) -> list[tuple[str, str | None, int | None, str]]:
        """(asset_id, segment_id, number, kind) of the assets that a batch can generate, in film order."""
        return [
            (r["asset_id"], r["segment_id"], r["number"], r["kind"]) for r in await self._db.fetch(_ASSETS, episode_id)
        ]

    async def missing_models(self, asset_ids: Sequence[str]) -> list[tuple[AssetKind, str | None]]:
        """(kind, model that its draft names) of what would be generated first in each segment, and of the music, among
        those assets; each pair once."""
        rows = await self._db.fetch(_MISSING, list(asset_ids))
        return [(AssetKind(r["kind"]), r["model"]) for r in rows]

    async def episode_counts(self, episode_id: str) -> EpisodeCounts:
        row = await self._db.fetchrow(_EPISODE, episode_id)
        assert row is not None
        return EpisodeCounts(row["approved"], row["total"])

    async def slots(self, batch: Batch) -> tuple[list[SegmentSlots], Slot | None]:
        """What the planner needs: the segments in film order, and the music."""
        segments: dict[str, dict[str, Any]] = {}
        music: Slot | None = None
        for row in await self._db.fetch(_ROWS, batch.batch_id, batch.created_at):
            slot = _slot(row)
            if row["segment_id"] is None:
                music = slot
            else:
                empty = {"number": row["number"], "starting_image": None, "video": None, "narration": None}
                found = segments.setdefault(row["segment_id"], empty)
                found[slot.kind.value] = slot
                if slot.kind is AssetKind.VIDEO:
                    found["shown"] = _shown(row)
        return [SegmentSlots(segment_id, **found) for segment_id, found in segments.items()], music

    async def skip(self, batch_id: str, segment_ids: Sequence[str | None], at: datetime) -> None:
        """A segment id of None means the music."""
        await self._db.execute(_SKIP, batch_id, [s for s in segment_ids if s], None in segment_ids, at)

    async def refuse(self, batch_id: str, asset_id: str, problem: Mapping[str, Any], at: datetime) -> None:
        await self._db.execute(
            "update batch_items set refused = $3, updated_at = $4 where batch_id = $1 and asset_id = $2",
            batch_id,
            asset_id,
            dict(problem),
            at,
        )

    async def save_items(self, batch_id: str, items: Mapping[str, Item], at: datetime) -> None:
        await self._db.execute(
            _SAVE_ITEMS,
            batch_id,
            list(items),
            [i.state.value for i in items.values()],
            [i.run_id for i in items.values()],
            [None if i.problem is None else dict(i.problem) for i in items.values()],
            at,
        )
        await self._db.execute(_DELETED, batch_id, list(items), at)

    async def save(self, batch: Batch, at: datetime, **changes: Any) -> datetime:
        """Returns the new `updated_at`, which is later than the old one."""
        updated_at = strictly_after(batch.updated_at, at)
        await update(self._db, "batches", "batch_id", batch.batch_id, {"updated_at": updated_at, **changes})
        return updated_at

    async def active_runs(self, batch_id: str) -> list[str]:
        return [r["run_id"] for r in await self._db.fetch(_ACTIVE, batch_id)]


def _batch(row: asyncpg.Record) -> Batch:
    return Batch(
        batch_id=row["batch_id"],
        project_id=row["project_id"],
        owner_id=row["owner_id"],
        episode_id=row["episode_id"],
        policy=BatchPolicy(row["mode"], row["batch_size"], row["auto_approve"], row["review"]),
        review_timeout_s=row["review_timeout_s"],
        compile=row["compile"],
        status=BatchStatus(row["status"]),
        counts=BatchCounts(row["completed"], row["approved"], row["failed"], row["total"], row["current_segment"]),
        actor=Actor(**row["actor"]),
        correlation_id=row["correlation_id"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        message_code=row["message_code"],
        message_args=row["message_args"],
        failed_segments=tuple(row["failed_segments"]),
    )


def _shown(row: asyncpg.Record) -> SegmentState:
    if row["newest_status"] is None:
        return segment_state(None)
    status = RunStatus(row["newest_status"])
    return segment_state(NewestRun(status, row["parent_status"] == "rejected", row["needs_revision"]))


def _slot(row: asyncpg.Record) -> Slot:
    run = (
        SlotRun(row["run_id"], RunStatus(row["status"]), row["auto_approve"], _problem(row["status"], row["error"]))
        if row["run_id"]
        else None
    )
    return Slot(
        asset_id=row["asset_id"],
        kind=AssetKind(row["kind"]),
        committed=row["committed"],
        has_text=row["has_text"],
        skipped=row["skipped"],
        run=run,
        refused=row["refused"],
    )


def _problem(status: str, error: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Why the run's asset was left, and what to do about it."""
    if error:
        return {name: error.get(name) for name in ("code", "cause", "recovery")}
    if status == "expired":
        return item_problem(EXPIRED, problem_text("batch_expired"))
    return item_problem(status, problem_text("batch_run_ended", status=status))
