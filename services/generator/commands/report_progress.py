"""Tells how far a run is: each step as it begins, else at most once a second.

Writing is a task of its own, so that work never waits for it: steps that pass faster than they can be written are
left out, and a share of a step is only noted.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from enum import Enum
from typing import Final

import structlog

from services.generator.commands.ports import Attempt, AttemptUnit
from services.generator.domain.runs import progress
from shared.core.clock import Clock
from shared.core.errors import Retryable

log = structlog.get_logger(__name__)

EVERY_S: Final = 1.0
LINGER_S: Final = 0.05  # a step that is over by then is not worth an event


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


class Reporter:
    """One attempt's. `of` is the number of candidates; `candidate` is set by whoever makes them."""

    def __init__(self, unit: AttemptUnit, attempt: Attempt, clock: Clock, *, of: int = 1) -> None:
        self._unit = unit
        self._attempt = attempt
        self._clock = clock
        self._of = of
        self._candidate = 0
        self._step = self._written_step = Step.PREPARING
        self._percent = self._written_percent = 0.0
        self._written_at = clock.monotonic()  # the beginning of the attempt was told already
        self._stepped = asyncio.Event()
        self._changed = asyncio.Event()
        self._writing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Reporter:
        self._task = asyncio.create_task(self._run(), name=f"progress-{self._attempt.run_id}")
        return self

    async def __aexit__(self, *exc: object) -> None:
        """What is being written is finished first, so that nothing of the attempt comes after its end."""
        async with self._writing:
            if self._task:
                self._task.cancel()
        if self._task:
            with suppress(asyncio.CancelledError):
                await self._task

    def begin(self, step: Step, candidate: int = 0) -> None:
        self._step, self._candidate = step, candidate
        self.share(0.0)
        self._stepped.set()

    def share(self, done: float) -> None:
        """How far the step is, from 0 to 1. The percent never goes back within an attempt."""
        step, done = self._step, min(1.0, max(0.0, done))
        of_candidate = step.begins + (step.ends - step.begins) * done
        self._percent = max(self._percent, (self._candidate * 100 + of_candidate) / self._of)
        self._changed.set()

    async def _run(self) -> None:
        while True:
            await self._changed.wait()
            await self._wait_for_turn()
            self._changed.clear()
            self._stepped.clear()
            same = self._step is self._written_step and self._percent - self._written_percent < 0.5
            if not same and not await self._write():
                return

    async def _wait_for_turn(self) -> None:
        due = self._written_at + EVERY_S - self._clock.monotonic()
        if due > 0 and not self._stepped.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(due):
                    await self._stepped.wait()
        await asyncio.sleep(LINGER_S)

    async def _write(self) -> bool:
        """False if the run is no longer ours."""
        step, percent = self._step, round(self._percent, 1)
        async with self._writing:
            try:
                async with self._unit() as store:
                    run = await store.advance(self._attempt, step.label, percent, self._clock.now())
                    if run is None:
                        return False
                    await store.publish(run.cause, progress(run, percent=percent, code=step.code))
            except Retryable as e:
                log.warning("progress.not_written", error=str(e))
            self._written_step, self._written_percent = step, percent
            self._written_at = self._clock.monotonic()
        return True
