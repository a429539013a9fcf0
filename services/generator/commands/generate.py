"""The work of a run, as a job: claimed, made, verified, stored, offered for review. Resumes after a crash.

Every write is fenced by the attempt's token, so a worker that lost its lease changes nothing. Candidates that an
earlier attempt stored are kept and not made again.
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

from services.generator.commands.candidates import MakeCandidate
from services.generator.commands.inputs import GatherInputs, Inputs
from services.generator.commands.ports import Attempt, Attempts, AttemptUnit, Meter, Scratch
from services.generator.commands.report_progress import Reporter, Step
from services.generator.domain.backoff import delay_before
from services.generator.domain.problems import problem_of, worker_lost
from services.generator.domain.runs import Candidate, Run, failed, preview_ready, progress
from services.generator.domain.states import RunState
from services.generator.providers.base import Unreached
from shared.contracts.values import RunSource, Version
from shared.core.clock import Clock
from shared.core.errors import Fenced, RetakeError, Retryable, disk_full_is_retryable
from shared.observability.tracing import span

log = structlog.get_logger(__name__)

DATABASE_AWAY: Final = "database_unavailable"
CLAIMS_MOST: Final = 12  # a run that kills its worker every time must not do so for ever
PATIENCE_S: Final = 60.0  # what was made is not thrown away while the database restarts

T = TypeVar("T")


@dataclass(frozen=True)
class Generate:
    unit: AttemptUnit
    gather: GatherInputs
    make: MakeCandidate
    scratch: Scratch
    meter: Meter
    clock: Clock
    random: Callable[[], float]
    max_attempts: int = 4

    async def __call__(self, attempt: Attempt) -> None:
        """Ends the job, or gives it back for another attempt. Raises Fenced when it is no longer ours."""
        run = await self._begin(attempt)
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
                await self._after(run, attempt, e)
            except Exception as e:
                log.exception("run.unexpected")
                await self._after(run, attempt, Retryable("unexpected", f"{type(e).__name__}: {e}"))

    async def _begin(self, attempt: Attempt) -> Run | None:
        run = await self._persist(lambda store: self._take(store, attempt))
        if run is None:
            return None
        if attempt.number > CLAIMS_MOST:
            await self._after(run, attempt, worker_lost(attempt.number - 1))
            return None
        return run

    async def _take(self, store: Attempts, attempt: Attempt) -> Run | None:
        run = await store.begin(attempt, self.clock.now())
        if run is None:  # cancelled or ended since: the job has nothing left to do
            await store.finish(attempt)
            return None
        await store.publish(run.cause, progress(run, percent=0, code=Step.PREPARING.code))
        return run

    async def _work(self, run: Run, attempt: Attempt) -> None:
        async with self.scratch.folder(run.run_id) as work:
            wanted = range(run.request.variants if run.request.source is RunSource.GENERATE else 1)
            async with Reporter(self.unit, attempt, self.clock, of=len(wanted)) as reporter:
                stored, fresh = await self._candidates(run, attempt, wanted, work, reporter)
            await self._persist(lambda store: self._settle(store, attempt, stored, fresh))

    async def _candidates(
        self, run: Run, attempt: Attempt, wanted: range, work: Path, reporter: Reporter
    ) -> tuple[list[Candidate], list[Candidate]]:
        """Those that are stored, and the last one (or all, if none was worth storing alone)."""
        stored, fresh, error = await self._made_before(attempt, wanted), list[Candidate](), None
        missing = [p for p in wanted if p not in {c.position for c in stored}]
        inputs = await self.gather(run, work) if missing else None
        for position in missing:
            assert inputs is not None
            try:
                version = await self._make_one(run, position, inputs, work / str(position), reporter)
                fresh.append(Candidate(position, version))
            except RetakeError as e:
                if isinstance(e, Fenced) or self._may_repeat(run, e):
                    raise
                error = e
                fresh.append(Candidate(position, None, problem_of(e)))
            if position != missing[-1] and any(c.version for c in fresh):
                stored += await self._persist(self._keeping(attempt, fresh))
                fresh = []
        if error is not None and not any(c.version for c in (*stored, *fresh)):
            raise error
        return stored, fresh

    async def _made_before(self, attempt: Attempt, wanted: range) -> list[Candidate]:
        if len(wanted) == 1:  # a single candidate is stored with the end of its run
            return []
        async with self.unit() as store:
            return await store.made(attempt.run_id)

    async def _make_one(self, run: Run, position: int, inputs: Inputs, folder: Path, reporter: Reporter) -> Version:
        folder.mkdir()
        try:
            return await self.make(run, position, inputs, folder, reporter)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _keeping(
        self, attempt: Attempt, candidates: list[Candidate]
    ) -> Callable[[Attempts], Awaitable[list[Candidate]]]:
        async def keep(store: Attempts) -> list[Candidate]:
            kept = await store.keep(attempt, candidates, self.clock.now())
            if kept is None:
                raise Fenced(attempt.run_id)
            return kept

        return keep

    async def _settle(self, store: Attempts, attempt: Attempt, stored: list[Candidate], fresh: list[Candidate]) -> None:
        offered = stored + (await self._keeping(attempt, fresh)(store) if fresh else [])
        run = await store.settle(attempt, self.clock.now())
        if run is None:
            raise Fenced(attempt.run_id)
        await store.finish(attempt)
        versions = [c.version for c in offered if c.version]
        await store.publish(run.cause, preview_ready(run, versions, [c.problem for c in offered if c.problem]))
        log.info("run.preview_ready", versions=[v.version_id for v in versions])

    def _may_repeat(self, run: Run, error: RetakeError) -> bool:
        """A busy database of ours is no reason to throw away what was paid; `CLAIMS_MOST` bounds it."""
        if not isinstance(error, Retryable):
            return False
        return not error.counts or error.code == DATABASE_AWAY or run.failures + 1 < self.max_attempts

    async def _after(self, run: Run, attempt: Attempt, error: RetakeError) -> None:
        """What follows a failure: another attempt later, or the end."""
        log.warning("run.attempt_failed", attempt=attempt.number, code=error.code, cause=error.cause)
        if isinstance(error, Retryable) and self._may_repeat(run, error):
            await self._persist(lambda store: self._postpone(store, run.failures + 2, attempt, error))
        else:
            await self._persist(lambda store: self._fail(store, attempt, error))

    async def _postpone(self, store: Attempts, number: int, attempt: Attempt, error: Retryable) -> None:
        delay = error.delay_s or 0.0
        if error.counts:
            delay = delay_before(number, random=self.random(), asked_s=error.delay_s)
        problem = problem_of(error)
        run = await store.postpone(attempt, self.clock.now() + timedelta(seconds=delay), problem, counted=error.counts)
        if run is None:
            raise Fenced(attempt.run_id)
        code, args = "run.provider_limit", {"delay_s": math.ceil(delay), "cause": problem.cause}
        if isinstance(error, Unreached):
            code = "run.provider_away"
        elif error.counts:
            code, args = "run.retrying", args | {"attempt": number, "attempts": self.max_attempts}
        await store.publish(run.cause, progress(run, percent=None, code=code, args=args))

    async def _fail(self, store: Attempts, attempt: Attempt, error: RetakeError) -> None:
        problem = problem_of(error)
        run = await store.end(attempt.run_id, RunState.FAILED, self.clock.now(), problem=problem, attempt=attempt)
        if run is None:
            raise Fenced(attempt.run_id)
        await store.finish(attempt)
        await store.publish(run.cause, failed(run, problem))
        self.meter.run_ended(run)

    async def _persist(self, write: Callable[[Attempts], Awaitable[T]]) -> T:
        """In a transaction; tried again while the database is away. Nothing here costs anything to repeat."""
        until, delay = self.clock.monotonic() + PATIENCE_S, 0.2
        while True:
            try:
                async with self.unit() as store:
                    return await write(store)
            except Retryable as e:
                if e.code != DATABASE_AWAY or self.clock.monotonic() > until:
                    raise
                log.warning("run.database_away", error=e.cause)
            await self.clock.sleep(delay)
            delay = min(2 * delay, 2.0)
