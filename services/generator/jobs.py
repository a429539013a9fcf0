"""Jobs: the work of runs by lane, the splitting of films, the cancellation of orphaned calls; and the sweep of runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog

from services.generator import metrics
from services.generator.commands.calls import cancel_orphan
from services.generator.commands.film_splits import FilmSplitter
from services.generator.commands.generation import RunGenerator
from services.generator.commands.runs import (
    SWEEP_LIMIT,
    announce_waiting_for_limit,
    fail_overdue_runs,
    requeue_runs_without_job,
)
from services.generator.domain.attempts import Attempt
from services.generator.domain.backoff import retry_delay
from services.generator.domain.calls import ASKED_FOR
from services.generator.domain.runs import Lane
from services.generator.providers.base import RemoteProvider
from services.generator.store.calls import CallRepository
from services.generator.store.sweeps import RunSweepRepository
from shared.core.clock import Clock
from shared.core.errors import RetakeError
from shared.jobs.queue import Claim, JobLimits, finish, reschedule
from shared.jobs.recurring import recurring
from shared.jobs.worker import JobKind
from shared.postgres.pool import Connection, Pool, transaction

log = structlog.get_logger(__name__)

SWEEP_EVERY_S: Final = 5.0  # a run that waits for a limit is reported this soon
CANCELLATIONS_AT_ONCE: Final = 20
ASK_AGAIN_S: Final = 600.0  # after which a provider is asked again what it charges for a call that did not finish


def run_kinds(generator: RunGenerator, at_once: Mapping[Lane, int], limits: JobLimits) -> Mapping[str, JobKind]:
    async def run(claim: Claim) -> None:
        with structlog.contextvars.bound_contextvars(run_id=claim.job_id):
            await generator.generate(_attempt(claim))

    return {lane.value: JobKind(run, at_once[lane], limits if lane is Lane.CALL else None) for lane in Lane}


def split_kind(splitter: FilmSplitter, at_once: int) -> JobKind:
    async def run(claim: Claim) -> None:
        with structlog.contextvars.bound_contextvars(import_id=claim.job_id):
            await splitter.split(_attempt(claim))

    return JobKind(run, at_once)


def _attempt(claim: Claim) -> Attempt:
    return Attempt(claim.job_id, claim.token, claim.attempt, claim)


def cancel_orphan_kind(
    providers: Mapping[str, RemoteProvider],
    calls: CallRepository,
    pool: Pool,
    clock: Clock,
    random: Callable[[], float],
) -> JobKind:
    """Retried for as long as the provider does not answer, because it may still be charging for the call."""

    async def run(claim: Claim) -> None:
        with structlog.contextvars.bound_contextvars(call_id=claim.job_id):
            delay_s: float | None = None
            try:
                if not await cancel_orphan(claim.job_id, providers, calls, clock):
                    delay_s = ASK_AGAIN_S
            except RetakeError as e:
                log.warning("call.not_cancelled", code=e.code, cause=e.cause, attempt=claim.attempt)
                delay_s = retry_delay(claim.attempt + 1, random=random())
            async with transaction(pool) as connection:
                if delay_s is None:
                    await finish(connection, claim)
                else:
                    await reschedule(connection, claim, clock.now() + timedelta(seconds=delay_s))

    return JobKind(run, CANCELLATIONS_AT_ONCE)


@dataclass(frozen=True)
class AgeLimits:
    """For how long a run may wait for a worker, and for how long it may be at work, before it fails."""

    queued_for: timedelta
    generating_for: timedelta


@dataclass(frozen=True)
class RunSweep:
    """Every replica sweeps; rows that another one has locked are skipped."""

    pool: Pool
    sweeps: Callable[[Connection], RunSweepRepository]
    limits: AgeLimits
    clock: Clock

    def recurring(self) -> AbstractAsyncContextManager[None]:
        return recurring(self, name="run-sweep", every_s=SWEEP_EVERY_S, clock=self.clock, at_once=True)

    async def __call__(self) -> None:
        now = self.clock.now()
        async with transaction(self.pool) as connection:
            sweeps = self.sweeps(connection)
            await requeue_runs_without_job(sweeps, now)
            await sweeps.cancel_orphans(now - ASKED_FOR, SWEEP_LIMIT)
            await announce_waiting_for_limit(sweeps, now)
            ended = await fail_overdue_runs(
                sweeps, now, queued_for=self.limits.queued_for, generating_for=self.limits.generating_for
            )
            active, oldest = await sweeps.count_active()
            status = await sweeps.limiter_status()
            unknown = await sweeps.unknown_charges()
        for run in ended:
            metrics.run_ended(run)
        metrics.runs_swept(active, (now - oldest).total_seconds() if oldest else 0.0, status.waiting, status.halted)
        metrics.charges_swept(unknown)
