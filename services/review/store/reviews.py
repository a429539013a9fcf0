"""Reviews in PostgreSQL, bound to one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, assert_never

import asyncpg

from services.review import metrics
from services.review.domain.reviews import EXPIRY_GRACE, Review
from shared.contracts.base import Event
from shared.contracts.events.gateway import DecisionSubmitted
from shared.contracts.events.review import ReviewChange, ReviewState, ReviewUpdated
from shared.contracts.values import Actor, Ref
from shared.messaging import inbox, outbox
from shared.messaging.events import Cause, Message, Publisher
from shared.postgres.deferred_writes import defer
from shared.postgres.pool import Connection

_COLUMNS: Final = """run_id, asset_id, asset_kind, episode_id, segment_id, segment_number, state, candidates,
    deadline, rev, project_id, owner_id, correlation_id, event_id"""
_OPEN: Final = f"""
    insert into reviews ({_COLUMNS}) values ($1, $2, $3, $4, $5, $6, $7, $8::uuid[], $9, $10, $11, $12, $13, $14)
    on conflict do nothing returning 1
"""
_CLOSE: Final = f"""
    update reviews set state = $2, closed_at = $3, rev = rev + 1
    where run_id = $1 and state = 'open' returning {_COLUMNS}, extract(epoch from $3 - opened_at)::float as lasted_s
"""
_DUE: Final = f"""
    select {_COLUMNS} from reviews where state = 'open' and deadline < $1
    order by deadline limit $2 for update skip locked
"""
_RECORD: Final = """
    insert into decisions (decision_id, run_id, version_id, action, rating, feedback, suggested_changes,
                           actor_kind, user_id, submitted_at, decided_at, verdict)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
"""


class PostgresReviews:
    """Implements `usecases.ports.Reviews`."""

    def __init__(self, connection: Connection, publisher: Publisher) -> None:
        self._db = connection
        self._publisher = publisher

    async def lock(self, run_id: str) -> Review | None:
        row = await self._db.fetchrow(f"select {_COLUMNS} from reviews where run_id = $1 for update", run_id)
        return _review(row) if row else None

    async def open(self, review: Review, cause: Cause) -> bool:
        ref = review.ref
        return bool(
            await self._db.fetchval(
                _OPEN,
                ref.run_id,
                ref.asset_id,
                ref.asset_kind,
                ref.episode_id,
                ref.segment_id,
                ref.segment_number,
                review.state,
                list(review.candidates),
                review.deadline,
                review.rev,
                cause.project_id,
                cause.owner_id,
                cause.correlation_id,
                cause.causation_id,
            )
        )

    async def close(self, run_id: str, state: ReviewState, at: datetime) -> Review | None:
        row = await self._db.fetchrow(_CLOSE, run_id, state, at)
        if row is None:
            return None
        match state:
            case ReviewState.EXPIRED:
                metrics.EXPIRED.inc()
            case ReviewState.WITHDRAWN:
                metrics.WITHDRAWN.inc()
            case ReviewState.ACCEPTED | ReviewState.REJECTED:
                metrics.LATENCY.observe(max(0.0, row["lasted_s"]))
            case ReviewState.OPEN:
                raise ValueError("a review is not closed by opening it")
            case _:
                assert_never(state)
        return _review(row)

    async def record(
        self,
        decision_id: str | None,
        review: Review,
        *,
        decision: DecisionSubmitted | None,
        actor: Actor,
        verdict: str,
        at: datetime,
    ) -> None:
        d = decision
        if verdict != "refused":
            metrics.DECIDED.labels(verdict, actor.kind).inc()
        await defer(
            self._db,
            "decisions",
            _RECORD,
            decision_id,
            review.ref.run_id,
            d.version_id if d else review.candidates[0],
            d.action if d else "approve",
            d.rating if d else None,
            d.feedback if d else None,
            d.suggested_changes if d else None,
            actor.kind,
            actor.user_id,
            d.submitted_at if d else at,
            at,
            verdict,
        )

    async def was_recorded(self, decision_id: str) -> bool:
        return bool(await self._db.fetchval("select 1 from decisions where decision_id = $1", decision_id))

    async def due(self, now: datetime, limit: int) -> list[tuple[Review, Cause]]:
        rows = await self._db.fetch(_DUE, now - EXPIRY_GRACE, limit)
        return [(_review(r), _cause(r)) for r in rows]

    async def open_of(self, asset_ids: Sequence[str]) -> list[tuple[Review, Cause]]:
        rows = await self._db.fetch(
            f"select {_COLUMNS} from reviews where asset_id = any($1::uuid[]) and state = 'open' for update",
            list(asset_ids),
        )
        return [(_review(r), _cause(r)) for r in rows]

    async def bury(self, asset_ids: Sequence[str], at: datetime) -> None:
        await self._db.execute(
            "insert into deleted_assets (asset_id, deleted_at) select a, $2 from unnest($1::uuid[]) a "
            "on conflict do nothing",
            list(asset_ids),
            at,
        )

    async def is_buried(self, asset_id: str) -> bool:
        return bool(await self._db.fetchval("select 1 from deleted_assets where asset_id = $1", asset_id))

    async def park(self, run_id: str, message: Message[Any]) -> None:
        await inbox.park(self._db, run_id, message)

    async def unpark(self, run_id: str) -> list[Message[Any]]:
        return list(await inbox.unpark(self._db, run_id))

    async def count_open(self) -> int:
        return int(await self._db.fetchval("select count(*) from reviews where state = 'open'"))

    async def publish(self, event: Event, cause: Cause) -> None:
        if isinstance(event, ReviewUpdated) and event.change is ReviewChange.REFUSED and event.reason:
            metrics.REFUSED.labels(event.reason.value).inc()
        await outbox.publish(self._db, [self._publisher.message(event, cause)])


def _review(row: asyncpg.Record) -> Review:
    ref = Ref(
        run_id=row["run_id"],
        asset_id=row["asset_id"],
        asset_kind=row["asset_kind"],
        episode_id=row["episode_id"],
        segment_id=row["segment_id"],
        segment_number=row["segment_number"],
    )
    return Review(ref, ReviewState(row["state"]), tuple(row["candidates"]), row["deadline"], row["rev"])


def _cause(row: asyncpg.Record) -> Cause:
    return Cause(row["project_id"], row["owner_id"], row["correlation_id"], row["event_id"])
