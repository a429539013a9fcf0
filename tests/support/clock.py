"""Clocks for tests."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from datetime import UTC, datetime, timedelta
from typing import Final

from shared.core.clock import SystemClock

START: Final = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
TURNS: Final = 20  # of the event loop: enough for a woken task to reach its next wait


class FakeClock:
    """A `shared.core.clock.Clock` that stands still until `move` or `pass_time` advances it."""

    def __init__(self, now: datetime = START) -> None:
        self._start = now
        self._elapsed = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = itertools.count()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._elapsed + max(seconds, 0.0), next(self._count), woken))
        if seconds <= 0:
            self._wake()
        await woken

    def move(self, seconds: float) -> None:
        """Advance the time; sleepers wake when the event loop runs next."""
        self._elapsed += seconds
        self._wake()

    async def pass_time(self, seconds: float) -> None:
        """Advance from one sleeper to the next, so that a task that sleeps repeatedly wakes at each of its times."""
        end = self._elapsed + seconds
        await self._settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            self._elapsed = max(self._elapsed, self._sleepers[0][0])
            self._wake()
            await self._settle()
        self._elapsed = end

    @property
    def sleepers(self) -> int:
        return sum(1 for _, _, woken in self._sleepers if not woken.done())

    def _wake(self) -> None:
        while self._sleepers and self._sleepers[0][0] <= self._elapsed:
            _, _, woken = heapq.heappop(self._sleepers)
            if not woken.done():
                woken.set_result(None)

    async def _settle(self) -> None:
        for _ in range(TURNS):
            await asyncio.sleep(0)


class HurriedClock(SystemClock):
    """Real time, but sleeps are 20 times shorter."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / 20)


class ShiftedClock(SystemClock):
    """Real time, and what `move` adds to it."""

    def __init__(self) -> None:
        self._added = timedelta()

    def now(self) -> datetime:
        return super().now() + self._added

    def monotonic(self) -> float:
        return super().monotonic() + self._added.total_seconds()

    def move(self, seconds: float) -> None:
        self._added += timedelta(seconds=seconds)
