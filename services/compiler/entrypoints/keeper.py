"""Retention of films and pieces, as `shared.retention` wants it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, assert_never

from services.compiler.domain.retention import Held, HeldFilm, HeldPiece
from services.compiler.usecases.collect_orphans import CollectOrphans
from services.compiler.usecases.explain_retention import explain_retention
from services.compiler.usecases.keeping import KeepingUnit
from services.compiler.usecases.purge_unused import PurgeUnused
from shared.retention import Done, Explained
from shared.retention.batches import collect_orphans, purge_in_batches
from shared.retention.rounds import Round

PURGE: Final = Round("purge-unused", "00000000-0000-7000-8000-000000000021")
COLLECT: Final = Round("collect-orphans", "00000000-0000-7000-8000-000000000022")


@dataclass(frozen=True)
class Keeper:
    """Implements `shared.retention.Keeper`."""

    unit: KeepingUnit
    unused: PurgeUnused
    orphans: CollectOrphans

    async def purge(self, now: datetime) -> Done:
        return await purge_in_batches(self.unused, _counted_as, now)

    async def collect(self, now: datetime) -> Done:
        return await collect_orphans(self.orphans, now)

    def explain(self, now: datetime, project_id: str | None = None) -> AsyncIterator[Explained]:
        return explain_retention(self.unit, self.orphans, now, project_id)


def _counted_as(held: Held) -> str:
    match held:
        case HeldFilm():
            return "film"
        case HeldPiece():
            return "piece"
        case _:
            assert_never(held)
