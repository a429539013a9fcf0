"""Gauges that are read from the database: what waits in the outbox and in the queue, and for how long."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Final

from shared.contracts.topics import Service
from shared.core.clock import Clock
from shared.jobs.recurring import recurring
from shared.observability.metrics import JOBS_OLDEST_WAITING, OUTBOX_OLDEST, OUTBOX_SET_ASIDE, OUTBOX_UNPUBLISHED
from shared.postgres.pool import Pool, transaction

EVERY_S: Final = 10.0

_OUTBOX: Final = """
    select (select count(*) from outbox where published_at is null and refused_at is null) as unpublished,
           (select extract(epoch from clock_timestamp() - created_at) from outbox
            where published_at is null and refused_at is null order by id limit 1) as oldest_s,
           (select count(*) from outbox where refused_at is not null) as set_aside
"""
_JOBS: Final = """
    select kind, coalesce(extract(epoch from clock_timestamp() - min(run_at)
                                  filter (where run_at <= now() and (token is null or lease_until < now()))), 0) as s
    from jobs group by kind
"""


def watch_backlog(pool: Pool, service: Service, clock: Clock) -> AbstractAsyncContextManager[None]:
    """Sets the gauges every ten seconds while the block is open; every replica shows the same figures."""
    return recurring(lambda: measure_backlog(pool, service), name="backlog", every_s=EVERY_S, clock=clock, at_once=True)


async def measure_backlog(pool: Pool, service: Service) -> None:
    async with transaction(pool) as connection:
        outbox = await connection.fetchrow(_OUTBOX)
        jobs = await connection.fetch(_JOBS)
    assert outbox is not None, "a select without from has one row"
    OUTBOX_UNPUBLISHED.labels(service).set(outbox["unpublished"])
    OUTBOX_OLDEST.labels(service).set(max(0.0, float(outbox["oldest_s"] or 0)))
    OUTBOX_SET_ASIDE.labels(service).set(outbox["set_aside"])
    JOBS_OLDEST_WAITING.clear()
    for row in jobs:
        JOBS_OLDEST_WAITING.labels(service, row["kind"]).set(max(0.0, float(row["s"])))
