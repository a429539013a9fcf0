"""Reviews and their history in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import asyncpg

from services.review.domain.reviews import EXPIRY_GRACE, HistoryEntry, Review
from shared.contracts.base import Event
from shared.contracts.events.review import ReviewState
from shared.contracts.values import Ref
from shared.messaging import inbox, outbox
from shared.messaging.events import Cause, Message, Publisher
from shared.postgres.deferred_writes import defer
from shared.postgres.pool import Connection

_COLUMNS: Final = """run_id, asset_id, asset_kind, episode_id, segment_id, segment_number, state, candidates,
    opened_at, deadline, rev, project_id, owner_id, correlation_id, event_id"""

_LOCK: Final = f"select {_COLUMNS} from reviews where run_id = $1 for update"

_LOCK_DUE: Final = f"""
    select {_COLUMNS} from reviews
    where state = 'open' and deadline < $1
    order by deadline limit $2
    for update skip locked
"""

_HAS_DUE: Final = "select exists (select from reviews where state = 'open' and deadline < $1)"

_LOCK_OPEN: Final = f"""
    select {_COLUMNS} from reviews
    where state = 'open' and asset_id = any($1::uuid[])
    for update
"""

_OPEN: Final = f"""
    insert into reviews ({_COLUMNS})
    values ($1, $2, $3, $4, $5, $6, $7, $8::uuid[], $9, $10, $11, $12, $13, $14, $15)
    on conflict do nothing
    returning 1
"""

_CLOSE: Final = f"""
    update reviews set state = $2, closed_at = $3, rev = rev + 1
    where run_id = $1 and state = 'open'
    returning {_COLUMNS}
"""

_RECORD: Final = """
    insert into decisions (decision_id, run_id, version_id, action, rating, feedback, suggested_changes,
                           actor_kind, user_id, submitted_at, decided_at, verdict)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
"""

_TOMBSTONE: Final = """
    insert into deleted_assets (asset_id, deleted_at)
    select asset_id, $2 from unnest($1::uuid[]) as asset_id
    on conflict do nothing
"""


class ReviewRepository:
    """Bound to one transaction."""

    def __init__(self, connection: Connection, publisher: Publisher) -> None:
        self._db = connection
        self._publisher = publisher

    async def lock(self, run_id: str) -> Review | None:
        """The run's review, locked until the transaction ends. If there is none, none is opened before then."""
        row = await self._db.fetchrow(_LOCK, run_id)
        if row is None:
            await inbox.lock_subject(self._db, run_id)
            row = await self._db.fetchrow(_LOCK, run_id)
        return _review(row) if row else None

    async def lock_due(self, now: datetime, limit: int) -> list[tuple[Review, Cause]]:
        """Open reviews past their deadline and its grace, oldest first. Skips those that another transaction holds."""
        rows = await self._db.fetch(_LOCK_DUE, now - EXPIRY_GRACE, limit)
        return [(_review(row), _cause(row)) for row in rows]

    async def has_due(self, now: datetime) -> bool:
        return bool(await self._db.fetchval(_HAS_DUE, now - EXPIRY_GRACE))

    async def lock_open(self, asset_ids: Sequence[str]) -> list[tuple[Review, Cause]]:
        """The open reviews of these assets."""
        rows = await self._db.fetch(_LOCK_OPEN, list(asset_ids))
        return [(_review(row), _cause(row)) for row in rows]

    async def count_open(self) -> int:
        return int(await self._db.fetchval("select count(*) from reviews where state = 'open'"))

    async def open(self, review: Review, cause: Cause) -> bool:
        """False if the run already has a review."""
        ref = review.ref
        await inbox.lock_subject(self._db, ref.run_id)
        inserted = await self._db.fetchval(
            _OPEN,
            ref.run_id,
            ref.asset_id,
            ref.asset_kind,
            ref.episode_id,
            ref.segment_id,
            ref.segment_number,
            review.state,
            list(review.candidates),
            review.opened_at,
            review.deadline,
            review.rev,
            cause.project_id,
            cause.owner_id,
            cause.correlation_id,
            cause.causation_id,
        )
        return bool(inserted)

    async def close(self, run_id: str, state: ReviewState, at: datetime) -> Review:
        """Closes a review that this transaction has locked, or opened, as open. Raises `rev` by one."""
        row = await self._db.fetchrow(_CLOSE, run_id, state, at)
        assert row is not None, f"the review of {run_id} is not open, or was not locked"
        return _review(row)

    async def record(self, entry: HistoryEntry) -> None:
        await defer(
            self._db,
            "decisions",
            _RECORD,
            entry.decision_id,
            entry.run_id,
            entry.version_id,
            entry.action,
            entry.rating,
            entry.feedback,
            entry.suggested_changes,
            entry.actor.kind,
            entry.actor.user_id,
            entry.submitted_at,
            entry.decided_at,
            entry.verdict,
        )

    async def is_recorded(self, decision_id: str) -> bool:
        return bool(await self._db.fetchval("select 1 from decisions where decision_id = $1", decision_id))

    async def tombstone(self, asset_ids: Sequence[str], at: datetime) -> None:
        """Remembers that these assets are deleted, including those that no event has named yet. Waits for
        transactions that rely on their existence, and holds up later ones."""
        await inbox.lock_subjects(self._db, asset_ids)
        await self._db.execute(_TOMBSTONE, list(asset_ids), at)

    async def restore(self, asset_ids: Sequence[str]) -> None:
        """Forgets that these assets were deleted. Waits as `tombstone` does."""
        await inbox.lock_subjects(self._db, asset_ids)
        await self._db.execute("delete from deleted_assets where asset_id = any($1::uuid[])", list(asset_ids))

    async def is_tombstoned(self, asset_id: str) -> bool:
        """If not, the asset is not tombstoned before the transaction ends."""
        await inbox.lock_subject(self._db, asset_id, shared=True)
        return bool(await self._db.fetchval("select 1 from deleted_assets where asset_id = $1", asset_id))

    async def park(self, run_id: str, message: Message[Any]) -> None:
        """Keeps a decision that arrived before its preview."""
        await inbox.park(self._db, run_id, message)

    async def unpark(self, run_id: str) -> list[Message[Any]]:
        """Takes the parked decisions of a run, oldest first."""
        return list(await inbox.unpark(self._db, run_id))

    async def publish(self, event: Event, cause: Cause) -> None:
        await outbox.publish(self._db, [self._publisher.message(event, cause)])


def _review(row: asyncpg.Record) -> Review:
    ref = Ref(**{name: row[name] for name in Ref.model_fields})
    return Review(
        ref, ReviewState(row["state"]), tuple(row["candidates"]), row["opened_at"], row["deadline"], row["rev"]
    )


def _cause(row: asyncpg.Record) -> Cause:
    return Cause(row["project_id"], row["owner_id"], row["correlation_id"], row["event_id"])
