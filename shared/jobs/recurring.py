"""Work that recurs: `recurring` in every process, `RecurringJob` in one of all replicas at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID, uuid5

import structlog

from shared.core.clock import Clock
from shared.core.errors import RetakeError
from shared.jobs import queue
from shared.jobs.queue import Claim
from shared.jobs.rounds import ROUNDS, Round
from shared.jobs.worker import JobKind
from shared.postgres.pool import Connection, Pool, transaction
from shared.postgres.retry import UNAVAILABLE

log = structlog.get_logger(__name__)

_IDS: Final = UUID("7d0c1d5e-4a52-4d0f-9f2d-3f3f0f4b7c11")  # the namespace of recurring jobs' ids


@asynccontextmanager
async def recurring(
    work: Callable[[], Awaitable[object]], *, name: str, every_s: float, clock: Clock, at_once: bool = False
) -> AsyncIterator[None]:
    """Runs `work` every `every_s` seconds while the block is open, and cancels it at the end.

    The first run is after `every_s` seconds, or immediately with `at_once`. A failure costs one run: it is logged, and
    the next run follows as usual. Readiness tells of work that has failed for long (`ROUNDS`).
    """
    round_ = ROUNDS.add(name, every_s)

    async def loop() -> None:
        if not at_once:
            await clock.sleep(every_s)
        while True:
            try:
                await _run(round_, work)
            except Exception:  # a bug; work that has stopped for good without a sign would be worse
                log.exception("recurring.crashed", name=name)
            await clock.sleep(every_s)

    task = asyncio.create_task(loop(), name=name)
    task.add_done_callback(lambda _: setattr(round_, "ended", True))
    try:
        yield
    finally:
        ROUNDS.remove(round_)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@dataclass(frozen=True)
class RecurringJob:
    """A job with one row that is never finished. `name` is its kind and determines its id, so that all replicas agree.
    `every` is counted from the end of one run to the start of the next."""

    name: str
    every: timedelta
    work: Callable[[], Awaitable[object]]

    @property
    def job_id(self) -> str:
        return str(uuid5(_IDS, self.name))


async def schedule(connection: Connection, jobs: Iterable[RecurringJob]) -> None:
    """Enqueues the jobs, at start. Does nothing if they are in the queue already."""
    for job in jobs:
        await queue.enqueue(connection, job.job_id, job.name)


def recurring_kinds(jobs: Iterable[RecurringJob], pool: Pool, clock: Clock) -> Mapping[str, JobKind]:
    """The jobs' kinds, for `Worker`."""

    def kind(job: RecurringJob) -> JobKind:
        round_ = Round(job.name, job.every.total_seconds())  # for the metrics: any replica may be the next to run it

        async def run(claim: Claim) -> None:
            await _run(round_, job.work)
            async with transaction(pool) as connection:
                await queue.reschedule(connection, claim, clock.now() + job.every)

        return JobKind(run, concurrency=1)

    return {job.name: kind(job) for job in jobs}


async def _run(round_: Round, work: Callable[[], Awaitable[object]]) -> None:
    """One run. What is unavailable now may be there at the next run; a bug is not caught."""
    try:
        await work()
    except (RetakeError, *UNAVAILABLE) as e:
        round_.failed(e)
        log.warning("recurring.failed", name=round_.name, error=str(e) if isinstance(e, RetakeError) else repr(e))
    except Exception as e:
        round_.failed(e)
        raise
    else:
        round_.succeeded()
