"""Processes that are started again whenever they end, as a supervisor does."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from deploy.local.supervisor.processes import Child

AGAIN_S: Final = 0.3
STOP_S: Final = 15.0


class Kept:
    """A process that lives on until `close`. `ends` counts its exit codes."""

    def __init__(self, launch: Callable[[], Awaitable[Child]]) -> None:
        self.ends: Counter[int] = Counter()
        self._launch = launch
        self._child: Child | None = None
        self._not_before = 0.0
        self._keeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._child = await self._launch()
        self._keeper = asyncio.create_task(self._keep(self._child))

    async def _keep(self, child: Child) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self.ends[await child.ended()] += 1
            await asyncio.sleep(max(AGAIN_S, self._not_before - loop.time()))
            child = self._child = await self._launch()

    def signal(self, how: signal.Signals) -> None:
        if self._child:
            self._child.id.signal(how)

    def hold(self, seconds: float) -> None:
        self._not_before = asyncio.get_running_loop().time() + seconds

    async def end(self, how: signal.Signals) -> None:
        """Send a signal and wait for the end; the process is started again by itself."""
        if self._child:
            child = self._child
            child.id.signal(how)
            await child.ended()

    async def close(self) -> None:
        if self._keeper:
            self._keeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeper
        if self._child:
            self._child.id.signal(signal.SIGCONT)
            await self._child.stop(STOP_S)
