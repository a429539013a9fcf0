"""Pieces and films that retention lets go: marked first; their bytes, then their rows, follow after the grace time.
A crash anywhere is harmless: what was not finished is found again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog

from services.compiler.domain.retention import Held, judge
from services.compiler.usecases.keeping import SHELVES, KeepingUnit
from shared.contracts.retention import GRACE, Action
from shared.objects import ObjectStore

log = structlog.get_logger(__name__)

AT_ONCE: Final = 100  # rows locked for one short transaction


@dataclass(frozen=True)
class PurgeUnused:
    unit: KeepingUnit
    store: ObjectStore

    async def mark(self, now: datetime) -> list[Held]:
        """A batch; empty when nothing is left to mark."""
        marked: list[Held] = []
        for shelf in range(SHELVES):
            marked += await self._mark(shelf, now)
        return marked

    async def delete(self, now: datetime) -> list[Held]:
        """A batch; empty when nothing is left to delete. Raises what the object store raises."""
        deleted: list[Held] = []
        for shelf in range(SHELVES):
            deleted += await self._delete(shelf, now)
        return deleted

    async def _mark(self, number: int, now: datetime) -> list[Held]:
        async with self.unit() as keeping:
            shelf = keeping.shelves[number]
            locked = await shelf.lock_ripe(now, AT_ONCE)
            ripe = [h for h in await shelf.holdings(locked) if judge(h, now).action is Action.MARK]
            await shelf.mark([h.id for h in ripe], now)
        for held in ripe:
            log.info("held.marked", id=held.id, what=held.what, bytes=held.size, why=judge(held, now).why)
        return ripe

    async def _delete(self, number: int, now: datetime) -> list[Held]:
        async with self.unit() as keeping:
            shelf = keeping.shelves[number]
            locked = await shelf.lock_marked(now - GRACE, AT_ONCE)
            due = [h for h in await shelf.holdings(locked) if judge(h, now).action is Action.DELETE]
            keys = await shelf.give_up([h.id for h in due])
        if keys:
            await self.store.delete(*keys)  # given up: no lock is needed while the store works
        async with self.unit() as keeping:
            await keeping.shelves[number].forget([h.id for h in due])
        for held in due:
            log.info("held.deleted", id=held.id, what=held.what, bytes=held.size)
        return due
