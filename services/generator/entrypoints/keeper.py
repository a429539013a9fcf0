"""Retention as a job: one row that recurs, so that of all replicas one has it in hand."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

import structlog

from services.generator.usecases.collect_orphans import CollectOrphans
from services.generator.usecases.purge_versions import PurgeVersions
from shared import jobs
from shared.clock import Clock
from shared.errors import RetakeError
from shared.jobs import Claim, Kind
from shared.postgres import Connection, Pool, transaction

log = structlog.get_logger(__name__)

PURGE, COLLECT = "purge-versions", "collect-orphans"
PURGE_EVERY: Final = timedelta(minutes=5)
COLLECT_EVERY: Final = timedelta(hours=6)  # it lists the whole bucket
BATCHES_MOST: Final = 50  # of a round; what is left waits for the next one

# One row each, for ever: ids that every replica agrees on.
_RECURRING: Final = {
    PURGE: "00000000-0000-7000-8000-000000000011",
    COLLECT: "00000000-0000-7000-8000-000000000012",
}


class KeeperMeter(Protocol):
    def freed(self, what: str, count: int, size: int) -> None: ...


async def schedule(connection: Connection) -> None:
    """At start; harmless when it is there already."""
    for kind, job_id in _RECURRING.items():
        await jobs.enqueue(connection, job_id, kind)


@dataclass(frozen=True)
class Done:
    """What a round did; `size` in bytes freed."""

    marked: int = 0
    deleted: int = 0
    size: int = 0

    def __add__(self, other: Done) -> Done:
        return Done(self.marked + other.marked, self.deleted + other.deleted, self.size + other.size)


async def purge_all(purge: PurgeVersions, meter: KeeperMeter, now: datetime) -> Done:
    done = Done()
    for _ in range(BATCHES_MOST):
        if not (marked := await purge.mark(now)):
            break
        done += Done(marked=len(marked))
    for _ in range(BATCHES_MOST):
        if not (deleted := await purge.delete(now)):
            break
        freed = sum(h.size for h in deleted)
        meter.freed("version", len(deleted), freed)
        done += Done(deleted=len(deleted), size=freed)
    return done


async def collect_all(collect: CollectOrphans, meter: KeeperMeter, now: datetime) -> Done:
    gone = await collect(now)
    freed = sum(o.size for o in gone)
    meter.freed("orphan", len(gone), freed)
    return Done(deleted=len(gone), size=freed)


def keeper_kinds(purge: PurgeVersions, collect: CollectOrphans, meter: KeeperMeter, pool: Pool,
                 clock: Clock) -> dict[str, Kind]:
    """For `shared.jobs.Worker`."""

    def recurring(every: timedelta, work: Callable[[datetime], Awaitable[object]]) -> Kind:
        async def run(claim: Claim) -> None:
            try:
                await work(clock.now())
            except RetakeError as e:  # the store or the database is away: the next round goes on
                log.warning("retention.failed", code=e.code, cause=e.cause)
            async with transaction(pool) as connection:
                await jobs.again(connection, claim, clock.now() + every)

        return Kind(run, concurrency=1)

    return {
        PURGE: recurring(PURGE_EVERY, lambda now: purge_all(purge, meter, now)),
        COLLECT: recurring(COLLECT_EVERY, lambda now: collect_all(collect, meter, now)),
    }
