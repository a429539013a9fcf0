"""Tells how far a long step of an import is, at most once a second, and never makes the work wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import structlog

from services.generator.commands.ports import Share
from shared.core.clock import Clock
from shared.core.errors import Fenced, Retryable

log = structlog.get_logger(__name__)

EVERY_S: Final = 1.0


class Telling:
    """`write` tells a percent. The percent never goes back."""

    def __init__(self, write: Callable[[float], Awaitable[None]], clock: Clock) -> None:
        self._write = write
        self._clock = clock
        self._percent = self._told = 0.0
        self._writing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Telling:
        self._task = asyncio.create_task(self._run(), name="import-progress")
        return self

    async def __aexit__(self, *exc: object) -> None:
        """What is being written is finished first, so that it does not come after what follows."""
        async with self._writing:
            if self._task:
                self._task.cancel()
        if self._task:
            with suppress(asyncio.CancelledError):
                await self._task

    def share(self, begins: float, ends: float) -> Share:
        """For a step between these two percents: told how far it is, from 0 to 1."""

        def share(done: float) -> None:
            self._percent = max(self._percent, begins + (ends - begins) * min(1.0, max(0.0, done)))

        return share

    async def _run(self) -> None:
        while True:
            await self._clock.sleep(EVERY_S)
            if self._percent - self._told < 0.5:
                continue
            async with self._writing:
                try:
                    await self._write(self._percent)
                except Fenced:  # whoever works on it finds out as well
                    return
                except Retryable as e:
                    log.warning("progress.not_written", error=str(e))
                self._told = self._percent
