"""Work that nobody asked for just now: batches go on, old rows go."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Final

import structlog

from services.gateway.commands.batch_progress import advance_batch
from services.gateway.commands.purge_uploads import PurgeUploads
from services.gateway.store.unit_of_work import ADVANCE_BATCH, Store
from shared.core.clock import Clock
from shared.core.errors import RetakeError
from shared.jobs import queue as jobs
from shared.jobs.queue import Claim
from shared.jobs.worker import JobKind
from shared.postgres.pool import Connection, Pool, transaction
from shared.retention.freed import count_freed

log = structlog.get_logger(__name__)

WATCH, SWEEP, PURGE = "watch-batches", "sweep", "purge-uploads"
WATCH_EVERY: Final = timedelta(minutes=1)  # a batch whose wake-up was lost waits no longer than this
SWEEP_EVERY: Final = timedelta(minutes=10)
PURGE_EVERY: Final = timedelta(minutes=30)
LOG_KEPT: Final = timedelta(hours=24)
KEYS_KEPT: Final = timedelta(hours=24)
WINDOWS_KEPT: Final = timedelta(hours=1)  # far longer than any of them lasts

# One row each, for ever: ids that every replica agrees on.
_RECURRING: Final = {
    WATCH: "00000000-0000-7000-8000-000000000001",
    SWEEP: "00000000-0000-7000-8000-000000000002",
    PURGE: "00000000-0000-7000-8000-000000000003",
}
_PRUNE_LOG: Final = """
    with gone as (delete from event_log where at < $1 returning seq)
    update event_stream set pruned_to = greatest(pruned_to, (select max(seq) from gone))
    where exists (select 1 from gone)
"""


async def schedule(connection: Connection) -> None:
    """At start; harmless when it is there already."""
    for kind, job_id in _RECURRING.items():
        await jobs.enqueue(connection, job_id, kind)


def job_kinds(
    pool: Pool, stores: Callable[[Connection], Store], purge: PurgeUploads, clock: Clock
) -> dict[str, JobKind]:
    """For `shared.jobs.worker.Worker`."""

    async def advance(claim: Claim) -> None:
        async with transaction(pool) as connection:
            await jobs.finish(connection, claim)
            await advance_batch(stores(connection), claim.payload["batch_id"])

    async def watch(claim: Claim) -> None:
        async with transaction(pool) as connection:
            await jobs.reschedule(connection, claim, clock.now() + WATCH_EVERY)
            rows = await connection.fetch("select batch_id from batches where status in ('running', 'waiting_review')")
            for row in rows:
                await stores(connection).wake_batch(row["batch_id"])

    async def sweep(claim: Claim) -> None:
        async with transaction(pool) as connection:
            await jobs.reschedule(connection, claim, clock.now() + SWEEP_EVERY)
            await prune(connection, clock)

    async def keep(claim: Claim) -> None:
        now = clock.now()
        try:
            async with purge.unit() as keeping:
                await keeping.retire_versions(now)
            done = await purge.purge(now) + await purge.collect(now)
            count_freed("upload", done.deleted, done.size)
        except RetakeError as e:  # the store is away: the next round goes on
            log.warning("retention.failed", code=e.code, cause=e.cause)
        async with transaction(pool) as connection:
            await jobs.reschedule(connection, claim, clock.now() + PURGE_EVERY)

    return {
        ADVANCE_BATCH: JobKind(advance, concurrency=2),
        WATCH: JobKind(watch, concurrency=1),
        SWEEP: JobKind(sweep, concurrency=1),
        PURGE: JobKind(keep, concurrency=1),
    }


async def prune(connection: Connection, clock: Clock) -> None:
    """The log's past, answers that nobody will ask for again, tickets that ran out."""
    now = clock.now()
    await connection.execute(_PRUNE_LOG, now - LOG_KEPT, timeout=120)
    await connection.execute("delete from idempotency_keys where created_at < $1", now - KEYS_KEPT)
    await connection.execute("delete from tickets where expires_at < $1", now)
    await connection.execute("delete from rate_windows where begun < $1", (now - WINDOWS_KEPT).timestamp())
