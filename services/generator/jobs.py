"""Jobs: the work of runs, by lane; and the sweep."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol

import structlog

from services.generator.commands.abandon_call import AbandonCall
from services.generator.commands.generate import Generate
from services.generator.commands.ports import Attempt, Pressure, Sweeps
from services.generator.commands.split_film import SplitFilm
from services.generator.commands.sweep_runs import LIMIT, end_overdue, requeue_jobless, tell_held_back
from services.generator.domain.backoff import delay_before
from services.generator.domain.runs import Lane, Run
from shared.core.clock import Clock
from shared.core.errors import RetakeError
from shared.jobs.queue import Claim, JobLimits, finish, reschedule
from shared.jobs.recurring import recurring
from shared.jobs.worker import JobKind
from shared.postgres.pool import Connection, Pool, transaction

log = structlog.get_logger(__name__)

SWEEP_EVERY_S: Final = 5.0  # so soon a run says why it waits
ABANDONED_AT_ONCE: Final = 20


def kinds(generate: Generate, at_once: Mapping[Lane, int], gates: JobLimits) -> Mapping[str, JobKind]:
    async def run(claim: Claim) -> None:
        with structlog.contextvars.bound_contextvars(run_id=claim.job_id):
            await generate(Attempt(claim.job_id, claim.token, claim.attempt, claim))

    return {lane.value: JobKind(run, at_once[lane], gates if lane is Lane.CALL else None) for lane in Lane}


def split_kind(split: SplitFilm, at_once: int) -> JobKind:
    async def run(claim: Claim) -> None:
        with structlog.contextvars.bound_contextvars(import_id=claim.job_id):
            await split(Attempt(claim.job_id, claim.token, claim.attempt, claim))

    return JobKind(run, at_once)


def abandon_kind(abandon: AbandonCall, pool: Pool, clock: Clock) -> JobKind:
    """Tried for as long as the provider does not answer: it may still be charging."""

    async def run(claim: Claim) -> None:
        with structlog.contextvars.bound_contextvars(call_id=claim.job_id):
            try:
                await abandon(claim.job_id)
            except RetakeError as e:
                log.warning("call.not_abandoned", code=e.code, cause=e.cause, attempt=claim.attempt)
                delay = delay_before(claim.attempt + 1, random=1.0)
                async with transaction(pool) as connection:
                    await reschedule(connection, claim, clock.now() + timedelta(seconds=delay))
                return
            async with transaction(pool) as connection:
                await finish(connection, claim)

    return JobKind(run, ABANDONED_AT_ONCE)


class SweepMeter(Protocol):
    def run_ended(self, run: Run) -> None: ...

    def swept(self, active: dict[str, int], oldest_queued_s: float, pressure: Pressure) -> None: ...


@dataclass(frozen=True)
class Limits:
    queued_for: timedelta
    generating_for: timedelta


@dataclass(frozen=True)
class RunSweep:
    """A round in every replica; rows that another one holds are skipped."""

    pool: Pool
    sweeps: Callable[[Connection], Sweeps]
    limits: Limits
    meter: SweepMeter
    clock: Clock

    def recurring(self) -> AbstractAsyncContextManager[None]:
        return recurring(self, name="run-sweep", every_s=SWEEP_EVERY_S, clock=self.clock, at_once=True)

    async def __call__(self) -> None:
        now = self.clock.now()
        async with transaction(self.pool) as connection:
            sweeps = self.sweeps(connection)
            await requeue_jobless(sweeps, now)
            await sweeps.abandon_calls(LIMIT)
            await tell_held_back(sweeps, now)
            ended = await end_overdue(
                sweeps, now, queued_for=self.limits.queued_for, generating_for=self.limits.generating_for
            )
            active, oldest = await sweeps.census()
            pressure = await sweeps.pressure()
        for run in ended:
            self.meter.run_ended(run)
        self.meter.swept(active, (now - oldest).total_seconds() if oldest else 0.0, pressure)
