"""Objects that no row knows: left by a worker that died between the object and its row, kept for support, or clips of
an import that are versions by now. Each folder has its time; what an active run works from stays."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from services.generator.usecases.keeping import KeepingUnit
from shared.contracts.retention import CLOSED_KEPT, GRACE
from shared.core.ids import is_id
from shared.objects import ObjectStore, StoredObject

log = structlog.get_logger(__name__)

KEPT: Final[Mapping[str, timedelta]] = {
    "versions/": GRACE,  # far longer than a run may live: its row is written by then, or never
    "failed/": CLOSED_KEPT,  # bad output, kept for support
    "imports/": CLOSED_KEPT,  # clips and first frames: their runs copy them
}
"""By folder. Others are not ours to judge."""

PAGE: Final = 500


@dataclass(frozen=True)
class Orphan:
    stored: StoredObject
    due: bool  # its time is over
    until: datetime


@dataclass(frozen=True)
class CollectOrphans:
    unit: KeepingUnit
    store: ObjectStore

    async def find(self, now: datetime) -> AsyncIterator[Orphan]:
        """All objects without a row, by folder."""
        for folder, kept in KEPT.items():
            async for page in _pages(self.store.list(folder)):
                async with self.unit() as keeping:
                    known = await keeping.referenced([(o.key, _version_of(o.key)) for o in page])
                for stored in page:
                    if stored.key not in known:
                        yield Orphan(stored, stored.modified + kept <= now, stored.modified + kept)

    async def __call__(self, now: datetime) -> list[StoredObject]:
        """Deletes those whose time is over."""
        gone = [orphan.stored async for orphan in self.find(now) if orphan.due]
        for start in range(0, len(gone), PAGE):
            await self.store.delete(*(o.key for o in gone[start : start + PAGE]))
        for stored in gone:
            log.info("object.collected", key=stored.key, bytes=stored.size)
        return gone


def _version_of(key: str) -> str | None:
    folder, _, rest = key.partition("/")
    named = rest.partition("/")[0]
    return named if folder == "versions" and is_id(named) else None


async def _pages(stored: AsyncIterator[StoredObject]) -> AsyncIterator[list[StoredObject]]:
    page: list[StoredObject] = []
    async for each in stored:
        page.append(each)
        if len(page) == PAGE:
            yield page
            page = []
    if page:
        yield page
