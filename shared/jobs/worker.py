"""The worker: claims jobs of its kinds, runs them, keeps their leases alive and stops those that it lost."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import asyncpg
import structlog
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type

from shared.core.backoff import backoff
from shared.core.clock import Clock
from shared.core.errors import Fenced
from shared.core.ids import NewId
from shared.jobs.queue import LEASE_S, Claim, JobLimits, claim, extend_leases, has_ready, release_all
from shared.jobs.rounds import ROUNDS, Round
from shared.observability.last_said import LastSaid
from shared.observability.metrics import JOB_SECONDS, JOBS_RUNNING
from shared.postgres.listener import Listener
from shared.postgres.pool import ACQUIRE_TIMEOUT_S, Pool, transaction
from shared.postgres.retry import UNAVAILABLE

log = structlog.get_logger(__name__)

HEARTBEAT_S: Final = 3.0
POLL_S: Final = 1.0  # in case a notification is lost
FIRST_DELAY_S: Final = 0.5  # before a failed claim is repeated
LONGEST_DELAY_S: Final = 5.0

_DATABASE_ERRORS: Final = (*UNAVAILABLE, asyncpg.PostgresError)
"""No error of PostgreSQL (read-only after a failover, disk full) may end the loops that keep the leases."""


JobHandler = Callable[[Claim], Awaitable[None]]
"""Does the work and ends the job by `finish`, `reschedule` or `cancel`. An exception that escapes is a bug: the job is
claimed again when its lease ends, so a handler must bound its attempts by `claim.attempt`."""


@dataclass(frozen=True)
class JobKind:
    """How jobs of a kind are run: at most `concurrency` at a time in this process, within `limits` over all of them."""

    handler: JobHandler
    concurrency: int
    limits: JobLimits | None = None


class Worker:
    """Claims and runs jobs while its block is open. Leaving the block claims nothing more, lets running jobs end within
    `finish_s` seconds, then stops the others and returns them to the queue without counting the attempt."""

    def __init__(
        self,
        pool: Pool,
        database_url: str,
        kinds: Mapping[str, JobKind],
        *,
        clock: Clock,
        new_id: NewId,
        lease_s: float = LEASE_S,
        heartbeat_s: float = HEARTBEAT_S,
        finish_s: float = 0.0,
    ) -> None:
        self._pool = pool
        self._kinds = kinds
        self._clock = clock
        self._lease_s = lease_s
        self._heartbeat_s = heartbeat_s
        self._finish_s = finish_s
        self._name = f"{socket.gethostname()}:{os.getpid()}:{new_id()[-6:]}"
        self._wake = {kind: asyncio.Event() for kind in kinds}
        self._listener = Listener(database_url, self._notified, "jobs", "jobs_cancelled")
        self._running: dict[str, tuple[Claim, asyncio.Task[None]]] = {}
        self._loops: list[asyncio.Task[None]] = []
        self._heartbeat: asyncio.Task[None] | None = None
        self._rounds: list[Round] = []

    async def __aenter__(self) -> Worker:
        await self._listener.__aenter__()
        for kind in self._kinds:
            self._start_loop(f"jobs-{kind}", POLL_S, lambda round_, kind=kind: self._serve(kind, round_))  # type: ignore[misc]
        self._start_loop("jobs-heartbeat", self._heartbeat_s, self._beat)
        self._heartbeat = self._loops[-1]  # goes on while jobs end
        return self

    def _start_loop(self, name: str, every_s: float, loop: Callable[[Round], Coroutine[Any, Any, None]]) -> None:
        round_ = ROUNDS.add(name, every_s)
        task = asyncio.create_task(loop(round_), name=name)
        task.add_done_callback(lambda _: setattr(round_, "ended", True))
        self._rounds.append(round_)
        self._loops.append(task)

    async def __aexit__(self, *exc: object) -> None:
        for round_ in self._rounds:
            ROUNDS.remove(round_)
        await _stop(loop for loop in self._loops if loop is not self._heartbeat)
        if self._finish_s and (running := [task for _, task in self._running.values()]):
            log.info("jobs.finishing", jobs=len(running), within_s=self._finish_s)
            await asyncio.wait(running, timeout=self._finish_s)
        await _stop(self._loops)
        await _stop(task for _, task in list(self._running.values()))
        with suppress(*_DATABASE_ERRORS):
            async with transaction(self._pool) as connection:  # by name, to include what was being claimed just now
                await release_all(connection, self._name)
        await self._listener.__aexit__()

    def _notified(self, channel: str, payload: str) -> None:
        if channel == "jobs_cancelled":
            self._stop_job(payload)
        elif payload in self._wake:
            self._wake[payload].set()
        elif not payload:
            for event in self._wake.values():
                event.set()

    def _stop_job(self, job_id: str) -> None:
        if found := self._running.get(job_id):
            found[1].cancel()

    async def _serve(self, kind: str, round_: Round) -> None:
        free = asyncio.Semaphore(self._kinds[kind].concurrency)
        while True:
            self._wake[kind].clear()
            await free.acquire()
            free.release()
            claims: list[Claim] = await self._retrying(kind, round_)(self._claim, kind)
            round_.succeeded()
            for job in claims:
                await free.acquire()
                task = asyncio.create_task(self._run(job), name=f"job-{kind}-{job.job_id}")
                self._running[job.job_id] = (job, task)
                task.add_done_callback(lambda t, job=job: self._done(job, t, free))  # type: ignore[misc]
            if not claims:
                with suppress(TimeoutError):  # not wait_for: before Python 3.12 it can swallow a cancellation
                    async with asyncio.timeout(POLL_S):
                        await self._wake[kind].wait()

    def _free_slots(self, kind: str) -> int:
        return self._kinds[kind].concurrency - sum(1 for job, _ in self._running.values() if job.kind == kind)

    def _done(self, job: Claim, task: asyncio.Task[None], free: asyncio.Semaphore) -> None:
        if (current := self._running.get(job.job_id)) and current[1] is task:
            del self._running[job.job_id]
        free.release()
        self._wake[job.kind].set()

    def _retrying(self, kind: str, round_: Round) -> AsyncRetrying:
        """Repeats a claim after any error: a loop that has ended for good without a sign would be worse. The log has
        each cause once."""
        said = LastSaid()

        def log_retry(state: RetryCallState) -> None:
            error = state.outcome.exception() if state.outcome else None
            if error:
                round_.failed(error)
            expected = isinstance(error, _DATABASE_ERRORS)
            if said.is_news(repr(error)):
                log.warning("jobs.claim_failed", kind=kind, error=repr(error), exc_info=None if expected else error)

        return AsyncRetrying(
            sleep=self._clock.sleep,
            wait=backoff(FIRST_DELAY_S, LONGEST_DELAY_S),
            retry=retry_if_exception_type(Exception),
            before_sleep=log_retry,
        )

    async def _claim(self, kind: str) -> list[Claim]:
        slots = self._free_slots(kind)
        if slots <= 0 or not await self._has_ready(kind):
            return []
        async with transaction(self._pool) as connection:
            claims = await claim(
                connection, kind, slots, worker=self._name, lease_s=self._lease_s, limits=self._kinds[kind].limits
            )
        for job in claims:  # our own lease may have ended while this process was paused: the old task must not continue
            self._stop_job(job.job_id)
        return claims

    async def _has_ready(self, kind: str) -> bool:
        """Usually the queue is empty, and this costs one round trip instead of a transaction under the claims' lock.
        A job that is enqueued later wakes the worker by its notification."""
        async with self._pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection:
            return await has_ready(connection, kind)

    async def _run(self, job: Claim) -> None:
        began = self._clock.monotonic()
        outcome = "done"
        JOBS_RUNNING.labels(job.kind).inc()
        try:
            await self._kinds[job.kind].handler(job)
        except asyncio.CancelledError:
            outcome = "stopped"
            raise
        except Fenced:
            outcome = "fenced"
            log.warning("job.fenced", kind=job.kind, job_id=job.job_id)
        except Exception:
            outcome = "crashed"
            log.exception("job.crashed", kind=job.kind, job_id=job.job_id, attempt=job.attempt)
        finally:
            JOBS_RUNNING.labels(job.kind).dec()
            JOB_SECONDS.labels(job.kind, outcome).observe(self._clock.monotonic() - began)

    async def _beat(self, round_: Round) -> None:
        """Extends the leases of all running jobs in one statement; stops the jobs that this worker no longer owns."""
        while True:
            await self._clock.sleep(self._heartbeat_s)
            claims = [job for job, _ in self._running.values()]
            if not claims:
                continue
            try:
                async with transaction(self._pool) as connection:
                    owned = await extend_leases(connection, claims, self._lease_s)
            except Exception as e:
                round_.failed(e)
                expected = isinstance(e, _DATABASE_ERRORS)
                log.warning("jobs.heartbeat_failed", error=repr(e), exc_info=None if expected else e)
                continue
            round_.succeeded()
            for job in claims:
                current = self._running.get(job.job_id)
                if job.job_id not in owned and current and current[0] is job:
                    log.warning("job.lease_lost", kind=job.kind, job_id=job.job_id)
                    current[1].cancel()


async def _stop(tasks: Iterable[asyncio.Task[None]]) -> None:
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
