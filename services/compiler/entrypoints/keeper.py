"""Retention as jobs: one row each that recurs, so that of all replicas one has it in hand."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from services.compiler.domain.retention import HeldFilm
from services.compiler.usecases.collect_orphans import CollectOrphans
from services.compiler.usecases.keeping import KeepingUnit
from services.compiler.usecases.purge_unused import PurgeUnused
from shared import jobs
from shared.clock import Clock
from shared.errors import RetakeError
from shared.freed import count_freed
from shared.jobs import Claim, Kind
from shared.postgres import Connection, Pool, transaction

log = structlog.get_logger(__name__)

PURGE, COLLECT = "purge-unused", "collect-orphans"
PURGE_EVERY: Final = timedelta(minutes=5)
COLLECT_EVERY: Final = timedelta(hours=6)  # it lists the whole bucket
BATCHES_MOST: Final = 50  # of a round; what is left waits for the next one

# One row each, for ever: ids that every replica agrees on.
RECURRING: Final = {
    PURGE: "00000000-0000-7000-8000-000000000021",
    COLLECT: "00000000-0000-7000-8000-000000000022",
}


@dataclass(frozen=True)
class Keeper:
    """What retention works with, opened by wiring."""

    unit: KeepingUnit
    purge: PurgeUnused
    collect: CollectOrphans
    clock: Clock


@dataclass(frozen=True)
class Done:
    """What a round did; `size` in bytes freed."""

    marked: int = 0
    deleted: int = 0
    size: int = 0

    def __add__(self, other: Done) -> Done:
        return Done(self.marked + other.marked, self.deleted + other.deleted, self.size + other.size)


async def schedule(connection: Connection) -> None:
    """At start; harmless when it is there already."""
    for kind, job_id in RECURRING.items():
        await jobs.enqueue(connection, job_id, kind)


async def purge_all(purge: PurgeUnused, now: datetime) -> Done:
    done = Done()
    for _ in range(BATCHES_MOST):
        if not (marked := await purge.mark(now)):
            break
        done += Done(marked=len(marked))
    for _ in range(BATCHES_MOST):
        if not (deleted := await purge.delete(now)):
            break
        for held in deleted:
            count_freed("film" if isinstance(held, HeldFilm) else "piece", 1, held.size)
        done += Done(deleted=len(deleted), size=sum(h.size for h in deleted))
    return done


async def collect_all(collect: CollectOrphans, now: datetime) -> Done:
    gone = await collect(now)
    freed = sum(o.size for o in gone)
    count_freed("orphan", len(gone), freed)
    return Done(deleted=len(gone), size=freed)


def keeper_kinds(keeper: Keeper, pool: Pool) -> dict[str, Kind]:
    """For `shared.jobs.Worker`."""

    def recurring(every: timedelta, work: Callable[[datetime], Awaitable[object]]) -> Kind:
        async def run(claim: Claim) -> None:
            try:
                await work(keeper.clock.now())
            except RetakeError as e:  # the store or the database is away: the next round goes on
                log.warning("retention.failed", code=e.code, cause=e.cause)
            async with transaction(pool) as connection:
                await jobs.again(connection, claim, keeper.clock.now() + every)

        return Kind(run, 1)

    return {
        PURGE: recurring(PURGE_EVERY, lambda now: purge_all(keeper.purge, now)),
        COLLECT: recurring(COLLECT_EVERY, lambda now: collect_all(keeper.collect, now)),
    }
