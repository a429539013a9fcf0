"""Versions that retention lets go: marked first, so that nothing new uses them; their bytes, then their rows, follow
after the grace time. A crash anywhere is harmless: what was not finished is found again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog

from services.generator.domain.retention import Holding, judge
from services.generator.usecases.keeping import KeepingUnit
from shared.contracts.retention import CLOSED_KEPT, GRACE, Action
from shared.objects import ObjectStore

log = structlog.get_logger(__name__)

AT_ONCE: Final = 100  # rows locked for one short transaction


@dataclass(frozen=True)
class PurgeVersions:
    unit: KeepingUnit
    store: ObjectStore

    async def mark(self, now: datetime) -> list[Holding]:
        """A batch; empty when nothing is left to mark."""
        async with self.unit() as keeping:
            locked = await keeping.lock_ripe(now - CLOSED_KEPT, AT_ONCE)
            ripe = [h for h in await keeping.holdings(locked) if judge(h, now).action is Action.MARK]
            await keeping.mark([h.version_id for h in ripe], now)
        for held in ripe:
            log.info(
                "version.marked",
                version_id=held.version_id,
                project_id=held.project_id,
                bytes=held.size,
                why=judge(held, now).why,
            )
        return ripe

    async def delete(self, now: datetime) -> list[Holding]:
        """A batch; empty when nothing is left to delete. Raises what the object store raises."""
        async with self.unit() as keeping:
            locked = await keeping.lock_marked(now - GRACE, AT_ONCE)
            due = [h for h in await keeping.holdings(locked) if judge(h, now).action is Action.DELETE]
            ids = [h.version_id for h in due]
            objects = await keeping.objects_of(ids)
        for version_id in ids:  # marked, and nothing unmarks: no lock is needed while the store works
            await self._delete_objects(version_id, [ref.key for ref in objects[version_id]])
        async with self.unit() as keeping:
            await keeping.forget(ids, now)
        for held in due:
            log.info("version.deleted", version_id=held.version_id, project_id=held.project_id, bytes=held.size)
        return due

    async def _delete_objects(self, version_id: str, keys: list[str]) -> None:
        """Those that its row names, and whatever else is in its folder."""
        found = {stored.key async for stored in self.store.list(f"versions/{version_id}/")}
        await self.store.delete(*sorted(found.union(keys)))
