"""Retention of versions, as `shared.retention` wants it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.generator.usecases.collect_orphans import CollectOrphans
from services.generator.usecases.explain_retention import explain_retention
from services.generator.usecases.keeping import KeepingUnit
from services.generator.usecases.purge_versions import PurgeVersions
from shared.retention import Done, Explained
from shared.retention.batches import collect_orphans, purge_in_batches
from shared.retention.rounds import Round

PURGE: Final = Round("purge-versions", "00000000-0000-7000-8000-000000000011")
COLLECT: Final = Round("collect-orphans", "00000000-0000-7000-8000-000000000012")


@dataclass(frozen=True)
class Keeper:
    """Implements `shared.retention.Keeper`."""

    unit: KeepingUnit
    versions: PurgeVersions
    orphans: CollectOrphans

    async def purge(self, now: datetime) -> Done:
        return await purge_in_batches(self.versions, lambda _: "version", now)

    async def collect(self, now: datetime) -> Done:
        return await collect_orphans(self.orphans, now)

    def explain(self, now: datetime, project_id: str | None = None) -> AsyncIterator[Explained]:
        return explain_retention(self.unit, self.orphans, now, project_id)
