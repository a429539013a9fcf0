"""Work that goes on beside a block, and ends with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import structlog

from shared.core.clock import Clock
from shared.postgres.retry import UNAVAILABLE

log = structlog.get_logger(__name__)


@asynccontextmanager
async def recurring(
    work: Callable[[], Awaitable[object]], *, name: str, every_s: float, clock: Clock, at_once: bool = False
) -> AsyncIterator[None]:
    """Does `work` every `every_s` seconds, for the first time after as long or `at_once`; it is cancelled at the
    block's end. A database that is away costs a round: a line in the log, and the next one comes."""

    async def rounds() -> None:
        if not at_once:
            await clock.sleep(every_s)
        while True:
            try:
                await work()
            except UNAVAILABLE as e:
                log.warning("round.failed", of=name, error=repr(e))
            await clock.sleep(every_s)

    task = asyncio.create_task(rounds(), name=name)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
