"""Runs, each with the facts about its asset, segment and batch that commands and projections need."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import asyncpg

from services.gateway.domain.runs import GeneratorState, NewRun, ReviewState, Run, RunState
from services.gateway.domain.timestamps import strictly_after
from services.gateway.store.sql import insert, insert_later, update_later
from shared.contracts.events.gateway import RegenerateRequested
from shared.contracts.values import Actor, AssetKind, ParentReason, RunSource
from shared.postgres.pool import Connection

_RUN: Final = """
    select r.run_id, r.project_id, p.owner_id, r.episode_id, r.asset_id, r.segment_id,
           s.number as segment_number, r.kind, a.label, r.source, r.parent_run_id, r.parent_reason, r.batch_id,
           r.import_id, r.request, r.auto_approve,
           r.held, r.made, r.verdict, r.run_rev, r.review_rev, r.announced, r.step, r.attempt, r.candidates,
           r.version_id, r.deadline, r.actor, r.draft_revision, r.updated_at, a.revision as asset_revision,
           a.committed_version_id is not null as asset_committed, a.draft as asset_draft,
           (select h.run_id from runs h where h.parent_run_id = r.run_id and h.held) as held_run_id,
           (select b.batch_id from batches b where b.episode_id = r.episode_id
            and b.status in ('running', 'waiting_review', 'paused')) as live_batch_id
    from runs r
    join assets a on a.asset_id = r.asset_id
    join projects p on p.project_id = r.project_id
    left join segments s on s.segment_id = r.segment_id
"""
_GET: Final = _RUN + "where r.run_id = $1"
_LOCK: Final = _RUN + "where r.run_id = $1 for no key update of a, r"
_NEWEST: Final = (
    _RUN
    + """
    where r.asset_id = $1 and not r.held and r.status not in ('expired', 'cancelled') order by r.number desc limit 1
"""
)


class RunRepository:
    def __init__(self, connection: Connection) -> None:
        self._db = connection

    async def insert(self, run: NewRun) -> None:
        r = run.request
        await insert(
            self._db,
            "runs",
            {
                "run_id": r.run_id,
                "project_id": run.project_id,
                "episode_id": r.episode_id,
                "asset_id": r.asset_id,
                "segment_id": r.segment_id,
                "kind": r.asset_kind,
                "number": run.number,
                "source": r.source,
                "parent_run_id": r.parent_run_id,
                "parent_reason": r.parent_reason,
                "batch_id": r.batch_id,
                "import_id": run.import_id,
                "request": r.model_dump(mode="json"),
                "changes": None if run.changes is None else dict(run.changes),
                "draft_revision": run.draft_revision,
                "auto_approve": r.auto_approve,
                "held": run.held,
                "status": GeneratorState.REQUESTED.value,
                "actor": r.actor.model_dump(),
                **run.message.columns(),
                "created_at": run.at,
                "updated_at": run.at,
            },
        )

    async def get(self, run_id: str) -> Run | None:
        return _run(await self._db.fetchrow(_GET, run_id))

    async def lock(self, run_id: str) -> Run | None:
        """Locks the run's asset as well."""
        return _run(await self._db.fetchrow(_LOCK, run_id))

    async def newest_visible(self, asset_id: str) -> Run | None:
        """The newest run of the asset that was sent and is neither expired nor cancelled."""
        return _run(await self._db.fetchrow(_NEWEST, asset_id))

    async def save(self, run: Run, state: RunState, at: datetime, **changes: Any) -> datetime:
        """Writes the state, the status that follows from it, and other columns. Returns the new `updated_at`, which is
        later than the old one."""
        updated_at = strictly_after(run.updated_at, at)
        if cost := changes.get("cost"):
            unknown = cost.get("unknown") or {}
            changes |= {
                "cost_amount": Decimal(cost["amount"]),
                "cost_unknown": Decimal(unknown.get("at_most", 0)),
                "cost_currency": cost["currency"],
            }
        await update_later(
            self._db,
            "runs",
            "run_id",
            run.run_id,
            {
                "made": state.generator,
                "verdict": state.review,
                "status": state.status,
                "run_rev": state.run_rev,
                "review_rev": state.review_rev,
                "updated_at": updated_at,
                **changes,
            },
        )
        return updated_at

    async def add_step(
        self, run: Run, state: str, step: str, code: str, args: Mapping[str, Any], attempt: int, at: datetime
    ) -> None:
        await insert_later(
            self._db,
            "run_steps",
            {
                "run_id": run.run_id,
                "project_id": run.project_id,
                "state": state,
                "step": step,
                "message_code": code,
                "message_args": dict(args),
                "attempt": attempt,
                "at": at,
            },
        )


def _run(row: asyncpg.Record | None) -> Run | None:
    if row is None:
        return None
    values = dict(row)
    state = RunState(
        GeneratorState(values.pop("made")),
        ReviewState(values.pop("verdict")),
        values.pop("run_rev"),
        values.pop("review_rev"),
    )
    reason = values["parent_reason"]
    return Run(
        **values
        | {
            "state": state,
            "kind": AssetKind(row["kind"]),
            "source": RunSource(row["source"]),
            "parent_reason": ParentReason(reason) if reason else None,
            "request": RegenerateRequested(**row["request"]),
            "candidates": tuple(row["candidates"]),
            "actor": Actor(**row["actor"]),
        }
    )
