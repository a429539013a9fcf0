"""The work of a run, as a job: candidates are generated, inspected, stored and offered for review.

Every write is fenced by the attempt's token, so a worker that has lost its lease changes nothing. After a crash, the
next attempt keeps the candidates that are stored and makes only those that are missing.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final, TypeVar

import structlog
import tenacity

from services.generator import metrics
from services.generator.commands.candidates import CandidateMaker
from services.generator.commands.inputs import InputLoader, Inputs
from services.generator.commands.progress import RunProgress, Step
from services.generator.domain.attempts import Attempt
from services.generator.domain.backoff import retry_delay
from services.generator.domain.problems import problem_of, unexpected, worker_lost
from services.generator.domain.runs import Candidate, Run, failed, preview_ready, progress
from services.generator.domain.states import RunState
from services.generator.media.scratch import ScratchFolders
from services.generator.providers.base import ProviderUnreachable
from services.generator.store.attempts import AttemptRepository, AttemptUnit
from shared.contracts.values import RunSource, Version
from shared.core.clock import Clock
from shared.core.errors import Fenced, RetakeError, Retryable, disk_full_is_retryable
from shared.observability.tracing import span

log = structlog.get_logger(__name__)

DATABASE_UNAVAILABLE: Final = "database_unavailable"
MAX_CLAIMS: Final = 12  # a run that crashes its worker every time must not do so for ever
DATABASE_PATIENCE_S: Final = 60.0  # a finished candidate is not thrown away while the database restarts

T = TypeVar("T")


@dataclass(frozen=True)
class RunGenerator:
    """The worker of runs. `unit` opens a transaction; `random` returns 0 to 1."""

    unit: AttemptUnit
    inputs: InputLoader
    candidates: CandidateMaker
    scratch: ScratchFolders
    clock: Clock
    random: Callable[[], float]
    max_attempts: int = 4

    async def generate(self, attempt: Attempt) -> None:
        """Ends the job, or reschedules it for another attempt. Raises Fenced if the run belongs to another attempt."""
        run = await self._claim(attempt)
        if run is None:
            return
        with span("run", traceparent=run.traceparent, run_id=run.run_id, correlation_id=run.cause.correlation_id):
            log.info(
                "run.attempt",
                attempt=attempt.number,
                kind=run.request.asset_kind,
                provider=run.provider,
                model=run.model,
            )
            try:
                with disk_full_is_retryable():
                    await self._work(run, attempt)
            except Fenced:
                raise
            except RetakeError as e:
                await self._handle_error(run, attempt, e)
            except Exception:
                log.exception("run.unexpected")
                await self._handle_error(run, attempt, unexpected())

    async def _claim(self, attempt: Attempt) -> Run | None:
        run = await self._persist(lambda store: self._start(store, attempt))
        if run is None:
            return None
        if attempt.number > MAX_CLAIMS:
            await self._handle_error(run, attempt, worker_lost(attempt.number - 1))
            return None
        return run

    async def _start(self, store: AttemptRepository, attempt: Attempt) -> Run | None:
        run = await store.begin(attempt, self.clock.now())
        if run is None:  # cancelled or ended meanwhile: the job has nothing left to do
            await store.finish_job(attempt)
            return None
        await store.publish(run.cause, progress(run, percent=0, code=Step.PREPARING.code))
        return run

    async def _work(self, run: Run, attempt: Attempt) -> None:
        async with self.scratch.folder(run.run_id) as work:
            positions = range(run.request.variants if run.request.source is RunSource.GENERATE else 1)
            async with RunProgress(self.unit, attempt, self.clock, of=len(positions)) as reporter:
                stored, fresh = await self._make_missing(run, attempt, positions, work, reporter)
            await self._persist(lambda store: self._offer(store, attempt, stored, fresh))

    async def _make_missing(
        self, run: Run, attempt: Attempt, positions: range, work: Path, reporter: RunProgress
    ) -> tuple[list[Candidate], list[Candidate]]:
        """Stored candidates, and those that are stored with the end of the run: the last, or all if all failed."""
        stored, fresh, error = await self._stored_candidates(attempt, positions), list[Candidate](), None
        missing = [p for p in positions if p not in {c.position for c in stored}]
        inputs = await self.inputs.load(run, work) if missing else None
        for position in missing:
            assert inputs is not None
            try:
                version = await self._make(run, position, inputs, work / str(position), reporter)
                fresh.append(Candidate(position, version))
            except RetakeError as e:
                if isinstance(e, Fenced) or self._may_retry(run, e):
                    raise
                error = e
                fresh.append(Candidate(position, None, problem_of(e)))
            if position != missing[-1] and any(c.version for c in fresh):
                stored += await self._persist(self._storing(attempt, fresh))
                fresh = []
        if error is not None and not any(c.version for c in (*stored, *fresh)):
            raise error
        return stored, fresh

    async def _stored_candidates(self, attempt: Attempt, positions: range) -> list[Candidate]:
        if len(positions) == 1:  # a single candidate is stored together with the end of its run
            return []
        async with self.unit() as store:
            return await store.stored_candidates(attempt.job_id)

    async def _make(self, run: Run, position: int, inputs: Inputs, folder: Path, reporter: RunProgress) -> Version:
        folder.mkdir()
        try:
            return await self.candidates.make(run, position, inputs, folder, reporter)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _storing(
        self, attempt: Attempt, candidates: list[Candidate]
    ) -> Callable[[AttemptRepository], Awaitable[list[Candidate]]]:
        async def store_candidates(store: AttemptRepository) -> list[Candidate]:
            numbered = await store.store_candidates(attempt, candidates, self.clock.now())
            if numbered is None:
                raise Fenced(attempt.job_id)
            return numbered

        return store_candidates

    async def _offer(
        self, store: AttemptRepository, attempt: Attempt, stored: list[Candidate], fresh: list[Candidate]
    ) -> None:
        offered = stored + (await self._storing(attempt, fresh)(store) if fresh else [])
        run = await store.mark_preview_ready(attempt, self.clock.now())
        if run is None:
            raise Fenced(attempt.job_id)
        await store.finish_job(attempt)
        versions = [c.version for c in offered if c.version]
        await store.publish(run.cause, preview_ready(run, versions, [c.problem for c in offered if c.problem]))
        log.info("run.preview_ready", versions=[v.version_id for v in versions])

    def _may_retry(self, run: Run, error: RetakeError) -> bool:
        """An unavailable database never fails a run, which may be paid for; `MAX_CLAIMS` bounds the attempts."""
        if not isinstance(error, Retryable):
            return False
        return not error.counts or error.code == DATABASE_UNAVAILABLE or run.failures + 1 < self.max_attempts

    async def _handle_error(self, run: Run, attempt: Attempt, error: RetakeError) -> None:
        """Reschedules the run for another attempt, or ends it."""
        log.warning("run.attempt_failed", attempt=attempt.number, code=error.code, cause=error.cause)
        if isinstance(error, Retryable) and self._may_retry(run, error):
            await self._persist(lambda store: self._postpone(store, run.failures + 2, attempt, error))
        else:
            await self._persist(lambda store: self._fail(store, attempt, error))

    async def _postpone(self, store: AttemptRepository, number: int, attempt: Attempt, error: Retryable) -> None:
        delay = error.delay_s or 0.0
        if error.counts:
            delay = retry_delay(number, random=self.random(), requested_s=error.delay_s)
        problem = problem_of(error)
        run = await store.postpone(attempt, self.clock.now() + timedelta(seconds=delay), problem, counted=error.counts)
        if run is None:
            raise Fenced(attempt.job_id)
        code, args = "run.provider_limit", {"delay_s": math.ceil(delay), "cause": problem.cause}
        if isinstance(error, ProviderUnreachable):
            code = "run.provider_away"
        elif error.counts:
            code, args = "run.retrying", args | {"attempt": number, "attempts": self.max_attempts}
        await store.publish(run.cause, progress(run, percent=None, code=code, args=args))

    async def _fail(self, store: AttemptRepository, attempt: Attempt, error: RetakeError) -> None:
        problem = problem_of(error)
        run = await store.end(attempt.job_id, RunState.FAILED, self.clock.now(), problem=problem, attempt=attempt)
        if run is None:
            raise Fenced(attempt.job_id)
        await store.finish_job(attempt)
        await store.publish(run.cause, failed(run, problem))
        metrics.run_ended(run)

    async def _persist(self, write: Callable[[AttemptRepository], Awaitable[T]]) -> T:
        """Runs `write` in a transaction, again and again while the database is away: what it writes may be paid for."""
        until = self.clock.monotonic() + DATABASE_PATIENCE_S
        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception(_is_database_unavailable),
            stop=lambda _: self.clock.monotonic() > until,
            wait=tenacity.wait_exponential(multiplier=0.2, max=2.0) + tenacity.wait_random(0, 0.2),
            sleep=self.clock.sleep,
            before_sleep=lambda _: log.warning("run.database_unavailable"),
            reraise=True,
        )
        return await retrying(self._in_transaction, write)

    async def _in_transaction(self, write: Callable[[AttemptRepository], Awaitable[T]]) -> T:
        async with self.unit() as store:
            return await write(store)


def _is_database_unavailable(error: BaseException) -> bool:
    return isinstance(error, Retryable) and error.code == DATABASE_UNAVAILABLE
