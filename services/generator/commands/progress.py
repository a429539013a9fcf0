"""Publishes the progress of runs and imports, at most once a second, without making their work wait for it.

Writing is a task of its own. A new step of a run is published as it begins, unless it is over before it is written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from enum import Enum
from typing import Final

import structlog

from services.generator.domain.attempts import Attempt
from services.generator.domain.runs import progress
from services.generator.providers.base import OnProgress
from services.generator.store.attempts import AttemptUnit
from shared.core.clock import Clock
from shared.core.errors import Fenced, Retryable

log = structlog.get_logger(__name__)

INTERVAL_S: Final = 1.0
SHORTEST_STEP_S: Final = 0.05  # a step that is over by then is not worth an event
SMALLEST_CHANGE: Final = 0.5  # percent


class Step(Enum):
    """Name, message, and the percent of a candidate's work at which it begins and ends."""

    PREPARING = ("preparing", "run.preparing", 0, 5)
    RENDERING = ("rendering", "run.rendering", 5, 85)
    WAITING = ("waiting_for_provider", "run.provider_waiting", 5, 85)
    VERIFYING = ("verifying", "run.verifying", 85, 95)
    STORING = ("storing", "run.storing", 95, 100)

    def __init__(self, label: str, code: str, begins: int, ends: int) -> None:
        self.label = label
        self.code = code
        self.begins = begins
        self.ends = ends


class RunProgress:
    """The progress of one attempt at a run of `of` candidates."""

    def __init__(self, unit: AttemptUnit, attempt: Attempt, clock: Clock, *, of: int = 1) -> None:
        self._unit = unit
        self._attempt = attempt
        self._clock = clock
        self._of = of
        self._candidate = 0
        self._step = self._written_step = Step.PREPARING
        self._percent = self._written_percent = 0.0
        self._written_at = clock.monotonic()  # the start of the attempt is published already
        self._step_began = asyncio.Event()
        self._changed = asyncio.Event()
        self._writing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> RunProgress:
        self._task = asyncio.create_task(self._run(), name=f"progress-{self._attempt.job_id}")
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Finishes a write in progress first, so that nothing of the attempt is published after its end."""
        async with self._writing:
            if self._task:
                self._task.cancel()
        if self._task:
            with suppress(asyncio.CancelledError):
                await self._task

    def begin(self, step: Step, candidate: int = 0) -> None:
        self._step, self._candidate = step, candidate
        self.advance(0.0)
        self._step_began.set()

    def advance(self, share: float) -> None:
        """`share` of the step is done, from 0 to 1. The percentage never decreases within an attempt."""
        step, share = self._step, min(1.0, max(0.0, share))
        of_candidate = step.begins + (step.ends - step.begins) * share
        self._percent = max(self._percent, (self._candidate * 100 + of_candidate) / self._of)
        self._changed.set()

    async def _run(self) -> None:
        while True:
            await self._changed.wait()
            await self._wait_until_due()
            self._changed.clear()
            self._step_began.clear()
            unchanged = self._step is self._written_step and self._percent - self._written_percent < SMALLEST_CHANGE
            if not unchanged and not await self._write():
                return

    async def _wait_until_due(self) -> None:
        due = self._written_at + INTERVAL_S - self._clock.monotonic()
        if due > 0 and not self._step_began.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(due):
                    await self._step_began.wait()
        await asyncio.sleep(SHORTEST_STEP_S)

    async def _write(self) -> bool:
        """False if the run belongs to another attempt."""
        step, percent = self._step, round(self._percent, 1)
        async with self._writing:
            try:
                async with self._unit() as store:
                    run = await store.record_progress(self._attempt, step.label, percent, self._clock.now())
                    if run is None:
                        return False
                    await store.publish(run.cause, progress(run, percent=percent, code=step.code))
            except Retryable as e:
                log.warning("progress.not_written", error=str(e))
            self._written_step, self._written_percent = step, percent
            self._written_at = self._clock.monotonic()
        return True


class ImportProgress:
    """The progress of a long step of an import. `write` publishes a percentage."""

    def __init__(self, write: Callable[[float], Awaitable[None]], clock: Clock) -> None:
        self._write = write
        self._clock = clock
        self._percent = self._written_percent = 0.0
        self._writing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> ImportProgress:
        self._task = asyncio.create_task(self._run(), name="import-progress")
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Finishes a write in progress first, so that nothing of the step is published after its end."""
        async with self._writing:
            if self._task:
                self._task.cancel()
        if self._task:
            with suppress(asyncio.CancelledError):
                await self._task

    def step(self, begins: float, ends: float) -> OnProgress:
        """The callback of a step that takes the import from one percentage to the other."""

        def advance(share: float) -> None:
            self._percent = max(self._percent, begins + (ends - begins) * min(1.0, max(0.0, share)))

        return advance

    async def _run(self) -> None:
        while True:
            await self._clock.sleep(INTERVAL_S)
            if self._percent - self._written_percent < SMALLEST_CHANGE:
                continue
            async with self._writing:
                try:
                    await self._write(self._percent)
                except Fenced:  # the worker finds out with its next write
                    return
                except Retryable as e:
                    log.warning("progress.not_written", error=str(e))
                self._written_percent = self._percent
