"""Uploads that have served: marked, so that nothing new uses them; bytes, then rows, follow after the grace time.
Objects that no row knows (a client that left in the middle, a crash) go as well."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog

from services.gateway.domain.retention import HeldUpload, judge
from services.gateway.usecases.keeping import KeepingUnit
from shared.contracts.retention import Action, Verdict, over
from shared.objects import ObjectStore, StoredObject

log = structlog.get_logger(__name__)

FOLDER: Final = "uploads/"
PAGE: Final = 200


@dataclass(frozen=True)
class Purged:
    """`size` in bytes freed."""

    marked: int = 0
    deleted: int = 0
    size: int = 0

    def __add__(self, other: Purged) -> Purged:
        return Purged(self.marked + other.marked, self.deleted + other.deleted, self.size + other.size)


@dataclass(frozen=True)
class PurgeUploads:
    unit: KeepingUnit
    store: ObjectStore

    async def __call__(self, now: datetime) -> Purged:
        """Harmless at any time, by several at once. Raises what the object store raises."""
        done = Purged()
        async for page in self._pages():
            ripe = [u.upload_id for u in page if judge(u, now).action is Action.MARK]
            due = [u for u in page if judge(u, now).action is Action.DELETE]
            await self.store.delete(*(u.key for u in due))
            async with self.unit() as keeping:
                await keeping.mark(ripe, now)
                await keeping.forget([u.upload_id for u in due])
            done += Purged(len(ripe), len(due), sum(u.size for u in due))
        orphans = [o async for o, verdict in self.orphans(now) if verdict.action is Action.DELETE]
        await self.store.delete(*(o.key for o in orphans))
        done += Purged(0, len(orphans), sum(o.size for o in orphans))
        if done != Purged():
            log.info("uploads.purged", marked=done.marked, deleted=done.deleted, bytes=done.size)
        return done

    async def explain(self, now: datetime) -> AsyncIterator[tuple[HeldUpload, Verdict]]:
        async for page in self._pages():
            for held in page:
                yield held, judge(held, now)

    async def orphans(self, now: datetime) -> AsyncIterator[tuple[StoredObject, Verdict]]:
        """Objects without a row: an upload's row is written right after its bytes, or never."""
        page: list[StoredObject] = []
        async for stored in self.store.list(FOLDER):
            page.append(stored)
            if len(page) == PAGE:
                for found in await self._unknown(page):
                    yield found, over(found.modified, "no row knows it", now)
                page = []
        for found in await self._unknown(page):
            yield found, over(found.modified, "no row knows it", now)

    async def _unknown(self, page: list[StoredObject]) -> list[StoredObject]:
        async with self.unit() as keeping:
            known = await keeping.known_keys([o.key for o in page])
        return [o for o in page if o.key not in known]

    async def _pages(self) -> AsyncIterator[list[HeldUpload]]:
        last: str | None = None
        while True:
            async with self.unit() as keeping:
                page = await keeping.uploads(last, PAGE)
            if not page:
                return
            yield page
            last = page[-1].upload_id
