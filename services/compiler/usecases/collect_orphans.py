"""Objects that no row knows: a film as it was before it was signed, a piece that two made, what a crash or a cancel
left between the bytes and their row."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog

from services.compiler.usecases.keeping import KeepingUnit, Owner
from shared.contracts.retention import GRACE, Action, Verdict, over
from shared.core.ids import is_id
from shared.objects import ObjectStore, StoredObject

log = structlog.get_logger(__name__)

FOLDERS: Final = ("films/", "pieces/")
"""Others are not ours to judge."""
PAGE: Final = 500


@dataclass(frozen=True)
class CollectOrphans:
    unit: KeepingUnit
    store: ObjectStore

    async def find(self, now: datetime) -> AsyncIterator[tuple[StoredObject, Verdict]]:
        """All objects without a row, by folder."""
        for folder in FOLDERS:
            page: list[StoredObject] = []
            async for stored in self.store.list(folder):
                page.append(stored)
                if len(page) == PAGE:
                    for orphan in await self._unknown(page):
                        yield orphan, over(orphan.modified, "no row knows it", now)
                    page = []
            for orphan in await self._unknown(page):
                yield orphan, over(orphan.modified, "no row knows it", now)

    async def __call__(self, now: datetime) -> list[StoredObject]:
        """Deletes those whose time is over; rows that claim a piece and never got one go, too."""
        async with self.unit() as keeping:
            await keeping.drop_dead_claims(GRACE)
        gone = [stored async for stored, verdict in self.find(now) if verdict.action is Action.DELETE]
        for start in range(0, len(gone), PAGE):
            await self.store.delete(*(o.key for o in gone[start : start + PAGE]))
        for stored in gone:
            log.info("object.collected", key=stored.key, bytes=stored.size)
        return gone

    async def _unknown(self, page: list[StoredObject]) -> list[StoredObject]:
        async with self.unit() as keeping:
            known = await keeping.referenced([_owner(o.key) for o in page])
        return [o for o in page if o.key not in known]


def _owner(key: str) -> Owner:
    """`films/<compilation>/...` or `pieces/<kind>/<piece>/...`."""
    match key.split("/"):
        case ["films", compilation_id, _, *_] if is_id(compilation_id):
            return Owner(key, compilation_id=compilation_id)
        case ["pieces", _, piece, *_]:
            return Owner(key, piece=piece)
        case _:
            return Owner(key)
