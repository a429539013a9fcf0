"""What the compiler deletes: films and pieces that are not kept any more, and objects without a row.

Orphans are the second copy of a piece that two workers rendered, and whatever a
crash or a cancellation left between the object and its row.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.compiler.config import Settings
from services.compiler.domain.retention import film_disposition, piece_disposition
from services.compiler.store.retention import FilmRetention, PieceRetention, delete_unneeded_rows, referenced_keys
from shared.contracts.retention import GRACE
from shared.contracts.topics import Service
from shared.objects import ObjectStore, open_objects
from shared.postgres.pool import Pool
from shared.retention.engine import Orphans, RetentionService, Table
from shared.service import open_resources


def retention_service(pool: Pool, store: ObjectStore) -> RetentionService:
    return RetentionService(
        pool,
        store,
        tables=[Table("film", FilmRetention, film_disposition), Table("piece", PieceRetention, piece_disposition)],
        orphans=Orphans({"films/": GRACE, "pieces/": GRACE}, referenced_keys),
        before_collect=delete_unneeded_rows,
    )


@asynccontextmanager
async def open_retention(settings: Settings) -> AsyncIterator[RetentionService]:
    """For the `gc` command, next to a running service."""
    async with (
        open_resources(Service.COMPILER, settings) as resources,
        open_objects(settings.objects_url, Service.COMPILER) as objects,
    ):
        yield retention_service(resources.pool, objects.own)
