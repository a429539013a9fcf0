"""Housekeeping: published rows and inbox entries are kept for their window, then pruned."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

import structlog

from shared.clock import Clock
from shared.messaging import inbox
from shared.postgres import UNAVAILABLE, Pool, transaction

log = structlog.get_logger(__name__)

EVERY_S: Final = 3600.0
KEPT_DAYS: Final = 8  # a day more than what a replay sends again

_PRUNE_OUTBOX: Final = """
    delete from outbox o
    where published_at is not null and created_at < now() - make_interval(days => $1)
      and not (topic = 'complete'
               and id = (select max(id) from outbox last where last.topic = o.topic and last.key = o.key))
"""


class Housekeeping:
    """Prunes once an hour. The last `complete` of an asset is never pruned: a replay must tell what is committed."""

    def __init__(self, pool: Pool, *, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Housekeeping:
        self._task = asyncio.create_task(self._run(), name="housekeeping")
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
                await prune(self._pool)
            except UNAVAILABLE as e:
                log.warning("housekeeping.failed", error=repr(e))


async def prune(pool: Pool) -> None:
    async with transaction(pool) as connection:
        await connection.execute(_PRUNE_OUTBOX, KEPT_DAYS, timeout=300)
        await inbox.prune(connection)
