"""Retention as jobs: one row each that recurs, so that of all replicas one has it in hand."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from shared.core.clock import Clock
from shared.core.errors import RetakeError
from shared.jobs import queue as jobs
from shared.jobs.queue import Claim
from shared.jobs.worker import JobKind
from shared.postgres.pool import Connection, Pool, transaction
from shared.retention import Keeper

log = structlog.get_logger(__name__)

PURGE_EVERY: Final = timedelta(minutes=5)
COLLECT_EVERY: Final = timedelta(hours=6)  # it lists the whole bucket


@dataclass(frozen=True)
class Round:
    """A kind of job, and its one row for ever: an id that every replica agrees on."""

    kind: str
    job_id: str


async def schedule(connection: Connection, *rounds: Round) -> None:
    """At start; harmless when they are there already."""
    for each in rounds:
        await jobs.enqueue(connection, each.job_id, each.kind)


def retention_kinds(keeper: Keeper, purge: Round, collect: Round, pool: Pool, clock: Clock) -> Mapping[str, JobKind]:
    """For `shared.jobs.worker.Worker`."""

    def recurring(every: timedelta, work: Callable[[datetime], Awaitable[object]]) -> JobKind:
        async def run(claim: Claim) -> None:
            try:
                await work(clock.now())
            except RetakeError as e:  # the store or the database is away: the next round goes on
                log.warning("retention.failed", code=e.code, cause=e.cause)
            async with transaction(pool) as connection:
                await jobs.reschedule(connection, claim, clock.now() + every)

        return JobKind(run, concurrency=1)

    return {purge.kind: recurring(PURGE_EVERY, keeper.purge), collect.kind: recurring(COLLECT_EVERY, keeper.collect)}
