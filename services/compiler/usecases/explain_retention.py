"""What retention would do with each film, piece and object now, and why: nothing is changed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime

from services.compiler.domain.retention import judge
from services.compiler.usecases.collect_orphans import CollectOrphans
from services.compiler.usecases.keeping import KeepingUnit
from shared.retention import Explained


async def explain_retention(
    unit: KeepingUnit, orphans: CollectOrphans, now: datetime, project_id: str | None = None
) -> AsyncIterator[Explained]:
    """Films by project and episode, then (for all projects) pieces and objects without a row."""
    async with unit() as keeping:
        for shelf in keeping.shelves:
            async for held in shelf.all_holdings(project_id):
                yield Explained(held.id, held.what, held.project_id, held.size, judge(held, now))
    if project_id is not None:
        return
    async for stored, verdict in orphans.find(now):
        yield Explained(stored.key, "object", None, stored.size, verdict)
