"""Uploads that have served: marked, so that nothing new uses them; bytes, then rows, follow after the grace time.
Objects that no row knows (a client that left in the middle, a crash) go as well."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.gateway.commands.retention import KeepingUnit
from services.gateway.domain.retention import HeldUpload, judge
from shared.contracts.retention import Action, Verdict, over
from shared.objects import ObjectStore, StoredObject
from shared.retention import Done, Explained

FOLDER: Final = "uploads/"
PAGE: Final = 200


@dataclass(frozen=True)
class PurgeUploads:
    """Implements `shared.retention.Keeper`. Harmless at any time, by several at once."""

    unit: KeepingUnit
    store: ObjectStore

    async def purge(self, now: datetime) -> Done:
        done = Done()
        async for page in self._pages():
            ripe = [u.upload_id for u in page if judge(u, now).action is Action.MARK]
            due = [u for u in page if judge(u, now).action is Action.DELETE]
            await self.store.delete(*(u.key for u in due))
            async with self.unit() as keeping:
                await keeping.mark(ripe, now)
                await keeping.forget([u.upload_id for u in due])
            done += Done(len(ripe), len(due), sum(u.size for u in due))
        return done

    async def collect(self, now: datetime) -> Done:
        gone = [o async for o, verdict in self._orphans(now) if verdict.action is Action.DELETE]
        await self.store.delete(*(o.key for o in gone))
        return Done(deleted=len(gone), size=sum(o.size for o in gone))

    async def explain(self, now: datetime, project_id: str | None = None) -> AsyncIterator[Explained]:
        async for page in self._pages():
            for held in page:
                if project_id in (None, held.project_id):
                    what = f"upload {held.filename}"
                    yield Explained(held.upload_id, what, held.project_id, held.size, judge(held, now))
        if project_id is not None:
            return
        async for stored, verdict in self._orphans(now):
            yield Explained(stored.key, "object", None, stored.size, verdict)

    async def _orphans(self, now: datetime) -> AsyncIterator[tuple[StoredObject, Verdict]]:
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
