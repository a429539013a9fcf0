"""Background jobs: batches advance, unanswered commands are published again, and old rows are pruned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final

import structlog

from services.gateway.commands.batch_progress import advance_batch, fail_batch
from services.gateway.store.unanswered import publish_again
from services.gateway.store.unit_of_work import ADVANCE_BATCH, Store
from shared.core.clock import Clock
from shared.core.errors import Permanent, UserError
from shared.jobs import queue as jobs
from shared.jobs.queue import Claim
from shared.jobs.recurring import RecurringJob
from shared.jobs.worker import JobKind
from shared.postgres.pool import Connection, Pool, transaction

log = structlog.get_logger(__name__)

WATCH_EVERY: Final = timedelta(minutes=1)  # the longest wait of a batch whose wake-up was lost
REPEAT_EVERY: Final = timedelta(minutes=1)
ANSWERED_WITHIN: Final = timedelta(minutes=10)  # longer than any consumer lags while it is healthy
PRUNE_EVERY: Final = timedelta(minutes=10)
LOG_KEPT: Final = timedelta(hours=24)
KEYS_KEPT: Final = timedelta(hours=24)
SESSIONS_KEPT: Final = timedelta(hours=1)  # after they expired, so that no clock that is behind lets one live again
WINDOWS_KEPT: Final = timedelta(hours=1)  # far longer than any rate window lasts

LOG_PORTION: Final = 10_000  # rows of one transaction: a second or two

_PRUNE_LOG: Final = """
    with pruned as (
        delete from event_log where id = any(array(
            select id from event_log where at < $1 order by at limit $2)) returning seq, at
    ), newest as (select seq, event_tag(at) as tag from pruned order by seq desc limit 1), told as (
        update event_stream set pruned_to = newest.seq, pruned_tag = newest.tag from newest
        where newest.seq > pruned_to
    )
    select count(*) from pruned
"""


def job_kinds(pool: Pool, stores: Callable[[Connection], Store]) -> Mapping[str, JobKind]:
    """The gateway's own jobs, for `Worker`."""

    async def advance(claim: Claim) -> None:
        batch_id = claim.payload["batch_id"]
        try:
            async with transaction(pool) as connection:
                await jobs.finish(connection, claim)
                await advance_batch(stores(connection), batch_id)
        except (Permanent, UserError) as error:  # no later attempt can succeed
            log.warning("batch.cannot_advance", batch_id=batch_id, code=error.code, cause=error.cause)
            async with transaction(pool) as connection:
                await jobs.finish(connection, claim)
                await fail_batch(stores(connection), batch_id, error)

    return {ADVANCE_BATCH: JobKind(advance, concurrency=2)}


def recurring_jobs(pool: Pool, stores: Callable[[Connection], Store], clock: Clock) -> list[RecurringJob]:
    async def watch() -> None:
        async with transaction(pool) as connection:
            rows = await connection.fetch("select batch_id from batches where status in ('running', 'waiting_review')")
            for row in rows:
                await stores(connection).wake_batch(row["batch_id"])

    async def repeat() -> None:
        async with transaction(pool) as connection:
            repeated = await publish_again(connection, clock.now() - ANSWERED_WITHIN)
        for topic, subject in repeated:
            log.warning("command.published_again", topic=topic, subject=subject)

    async def prune_rows() -> None:
        pruned = LOG_PORTION
        while pruned == LOG_PORTION:
            async with transaction(pool) as connection:
                pruned = await prune_log(connection, clock)
        async with transaction(pool) as connection:
            await prune(connection, clock)

    return [
        RecurringJob("watch-batches", WATCH_EVERY, watch),
        RecurringJob("repeat-commands", REPEAT_EVERY, repeat),
        RecurringJob("prune", PRUNE_EVERY, prune_rows),
    ]


async def prune_log(connection: Connection, clock: Clock, portion: int = LOG_PORTION) -> int:
    """Deletes old entries of the event log, at most `portion`; returns how many."""
    return int(await connection.fetchval(_PRUNE_LOG, clock.now() - LOG_KEPT, portion, timeout=60))


async def prune(connection: Connection, clock: Clock) -> None:
    """Deletes old idempotency keys, uploads in parts that nobody went on with, expired tickets, sign-ins and sessions,
    and past rate windows."""
    now = clock.now()
    await connection.execute("delete from idempotency_keys where created_at < $1", now - KEYS_KEPT)
    await connection.execute("delete from partial_uploads where expires_at < $1", now)
    await connection.execute("delete from tickets where expires_at < $1", now)
    await connection.execute("delete from sign_ins where expires_at < $1", now)
    await connection.execute("delete from ended_sessions where expires_at < $1", now - SESSIONS_KEPT)
    await connection.execute("delete from rate_windows where begun < $1", (now - WINDOWS_KEPT).timestamp())
