"""The deadline sweep: a column and a loop, so that deadlines survive restarts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import structlog
from prometheus_client import Gauge

from services.review.usecases.expire_reviews import expire_reviews
from services.review.usecases.ports import Reviews
from shared.clock import Clock
from shared.postgres import UNAVAILABLE, Connection, Pool, transaction

log = structlog.get_logger(__name__)

EVERY_S: Final = 1.0

OPEN = Gauge("retake_reviews_open", "Previews that wait for a decision")


class DeadlineSweep:
    """Expires what is due, but only when no submitted decision can be waiting unread."""

    def __init__(self, pool: Pool, stores: Callable[[Connection], Reviews], *, clock: Clock,
                 settled_for: Callable[[], float], settled_s: float) -> None:
        self._pool = pool
        self._stores = stores
        self._clock = clock
        self._settled_for = settled_for
        self._settled_s = settled_s
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> DeadlineSweep:
        self._task = asyncio.create_task(self._run(), name="deadline-sweep")
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            await self._clock.sleep(EVERY_S)
            try:
                async with transaction(self._pool) as connection:
                    reviews = self._stores(connection)
                    if self._settled_for() >= self._settled_s:
                        await expire_reviews(reviews, self._clock.now())
                    OPEN.set(await reviews.count_open())
            except UNAVAILABLE as e:
                log.warning("sweep.failed", error=repr(e))
