"""Processes that are started again whenever they end, as a supervisor does."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from deploy.local.supervisor.processes import Command, SpawnedChild, spawn

AGAIN_S: Final = 0.3
STOP_S: Final = 15.0


class Kept:
    """A process that lives on until `close`. `ends` counts its exit codes."""

    def __init__(self, name: str, command: Callable[[], Command], folder: Path) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self.ends: Counter[int] = Counter()
        self._command = command
        self._folder = folder
        self._child: SpawnedChild | None = None
        self._not_before = 0.0
        self._keeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._child = await spawn(self._command(), self.log, self._folder)
        self._keeper = asyncio.create_task(self._keep(self._child), name=f"keeper of {self.name}")

    async def _keep(self, child: SpawnedChild) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self.ends[await child.ended()] += 1
            await asyncio.sleep(max(AGAIN_S, self._not_before - loop.time()))
            child = self._child = await spawn(self._command(), self.log, self._folder)

    def signal(self, how: signal.Signals) -> None:
        if self._child:
            self._child.id.signal(how)

    def hold(self, seconds: float) -> None:
        self._not_before = asyncio.get_running_loop().time() + seconds

    async def end(self, how: signal.Signals) -> None:
        """Send a signal, and wait until the process has ended; it is started again meanwhile or later."""
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


async def again_and_again(attempt: Callable[[], Awaitable[None]], within: float) -> None:
    """Until it succeeds; raises its last error when the time is over."""
    loop = asyncio.get_running_loop()
    end = loop.time() + within
    while True:
        try:
            return await attempt()
        except Exception:
            if loop.time() > end:
                raise
            await asyncio.sleep(AGAIN_S)
