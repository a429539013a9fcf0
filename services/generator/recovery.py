"""How the generator is brought forward when its database alone was restored to an earlier moment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from services.generator.commands.recollection import Stores, recollect
from services.generator.providers.base import LaneOf
from services.generator.store.imports import ImportRepository
from services.generator.store.recollection import Recollections
from services.generator.store.runs import RunRepository
from services.generator.store.versions import VersionRepository
from shared.contracts.events.gateway import ImportRequested, RegenerateRequested
from shared.core.clock import Clock
from shared.messaging.events import Publisher
from shared.messaging.recollection import Recollection, Story
from shared.postgres.pool import Connection

LOST: Final = (
    "what each single call cost since; a run's total is known, and counts under its project's spend cap",
    "calls that were made while Kafka did not answer; look for them in the provider's own list",
    "the provider's slower rate and open circuit breaker; they are found out anew",
)


def recollection(publisher: Publisher, clock: Clock, lanes: Mapping[str, LaneOf]) -> Recollection:
    """Runs, versions, the committed pointers and imports are complete."""

    async def fold(connection: Connection, story: Story) -> str | None:
        stores = Stores(
            RunRepository(connection, publisher),
            VersionRepository(connection, publisher),
            ImportRepository(connection, publisher),
            Recollections(connection),
        )
        return await recollect(stores, story, lanes, clock.now())

    return Recollection(fold, beside=(RegenerateRequested, ImportRequested), lost=LOST)
