"""What retention would do with each version and object now, and why: nothing is changed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime

from services.generator.domain.retention import judge
from services.generator.usecases.collect_orphans import CollectOrphans
from services.generator.usecases.keeping import KeepingUnit
from shared.contracts.retention import Action, Verdict
from shared.retention import Explained


async def explain_retention(
    unit: KeepingUnit, orphans: CollectOrphans, now: datetime, project_id: str | None = None
) -> AsyncIterator[Explained]:
    """Versions by project and asset, then (for all projects) objects without a row."""
    async with unit() as keeping:
        async for held in keeping.all_holdings(project_id):
            what = f"{held.kind.value.replace('_', ' ')} version {held.number}"
            yield Explained(held.version_id, what, held.project_id or None, held.size, judge(held, now))
    if project_id is not None:
        return
    async for orphan in orphans.find(now):
        action = Action.DELETE if orphan.due else Action.WAIT
        verdict = Verdict(action, "no row knows it", orphan.stored.modified, orphan.until)
        yield Explained(orphan.stored.key, "object", None, orphan.stored.size, verdict)
