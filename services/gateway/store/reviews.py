"""Decisions on previews: at most one pending per run, and the history of all."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Final

import asyncpg

from services.gateway.domain.reviews import NewReview, Review
from shared.contracts.events.gateway import DecisionAction
from shared.contracts.values import Actor
from shared.postgres.deferred_writes import defer
from shared.postgres.pool import Connection

_COLUMNS: Final = "review_id, run_id, project_id, version_id, action, next_run_id, verdict, reason, actor, submitted_at"
_INSERT: Final = """
    insert into reviews (review_id, project_id, episode_id, asset_id, segment_id, kind, run_id, version_id, action,
        rating, feedback, suggested_changes, regenerate, next_run_id, actor, user_id, verdict, submitted_at,
        decided_at, created_at, updated_at, note_ids)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
            case when $17 <> 'pending' then $18::timestamptz end, $18, $18, $19::uuid[])
    on conflict (run_id) where verdict = 'pending' do nothing returning 1
"""
_DECISIVE: Final = f"""
    select {_COLUMNS} from reviews where run_id = $1 and verdict <> 'refused'
    order by verdict = 'pending', created_at desc limit 1
"""
_CARRY_OUT: Final = """
    update reviews set verdict = 'accepted', next_run_id = $2, decided_at = $3, updated_at = greatest(updated_at, $3)
    where review_id = $1 and verdict = 'pending' returning pg_notify('decisions', review_id::text)
"""
_SETTLE: Final = """
    update reviews set verdict = $2, reason = $3, decided_at = $4, updated_at = greatest(updated_at, $4)
    where review_id = $1 and verdict = 'pending' returning pg_notify('decisions', review_id::text)
"""


class ReviewRepository:
    def __init__(self, connection: Connection) -> None:
        self._db = connection

    async def insert(self, review: NewReview) -> bool:
        """False if another decision on that run is pending."""
        run, changes = review.run, review.suggested_changes
        return bool(
            await self._db.fetchval(
                _INSERT,
                review.review_id,
                run.project_id,
                run.episode_id,
                run.asset_id,
                run.segment_id,
                run.kind,
                run.run_id,
                review.version_id,
                review.action,
                review.rating,
                review.feedback,
                None if changes is None else dict(changes),
                review.regenerate,
                review.next_run_id,
                review.actor.model_dump(),
                review.actor.user_id,
                review.verdict,
                review.at,
                list(review.note_ids),
            )
        )

    async def get(self, review_id: str) -> Review | None:
        return _review(await self._db.fetchrow(f"select {_COLUMNS} from reviews where review_id = $1", review_id))

    async def pending(self, run_id: str) -> Review | None:
        return _review(
            await self._db.fetchrow(f"select {_COLUMNS} from reviews where run_id = $1 and verdict = 'pending'", run_id)
        )

    async def any_pending(self, review_ids: Collection[str]) -> bool:
        sql = "select exists (select 1 from reviews where review_id = any($1::uuid[]) and verdict = 'pending')"
        return bool(await self._db.fetchval(sql, list(review_ids)))

    async def decisive(self, run_id: str) -> Review | None:
        """The decision that counted, else the pending one, else None."""
        return _review(await self._db.fetchrow(_DECISIVE, run_id))

    async def settle(self, review_id: str, verdict: str, reason: str | None, at: datetime) -> None:
        """Closes a pending decision and notifies the requests that wait for it."""
        await defer(self._db, "reviews", _SETTLE, review_id, verdict, reason, at)

    async def carry_out(self, review_id: str, run_id: str, at: datetime) -> None:
        """Closes a pending approval as accepted, by that other run."""
        await defer(self._db, "reviews", _CARRY_OUT, review_id, run_id, at)


def _review(row: asyncpg.Record | None) -> Review | None:
    if row is None:
        return None
    return Review(**dict(row) | {"action": DecisionAction(row["action"]), "actor": Actor(**row["actor"])})
