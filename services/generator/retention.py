"""What the generator deletes: versions that are not kept any more, and objects without a row.

Orphans are objects of a worker that died before it wrote the row, bad output that was stored for support, and clips of
an import, which their runs have copied.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from services.generator.config import Settings
from services.generator.domain.retention import version_disposition
from services.generator.store.retention import VersionRetention, referenced_keys
from shared.contracts.retention import CLOSED_KEPT, GRACE
from shared.contracts.topics import Service
from shared.messaging.events import Publisher
from shared.objects import ObjectStore, open_objects
from shared.postgres.pool import Pool
from shared.retention.engine import Orphans, RetentionService, Table
from shared.service import open_resources


def retention_service(pool: Pool, store: ObjectStore, publisher: Publisher) -> RetentionService:
    return RetentionService(
        pool,
        store,
        tables=[
            Table(
                "version",
                partial(VersionRetention, publisher=publisher),
                version_disposition,
                folder=lambda version_id: f"versions/{version_id}/",
            )
        ],
        orphans=Orphans(
            {"versions/": GRACE, "failed/": CLOSED_KEPT, "imports/": CLOSED_KEPT},
            referenced_keys,
        ),
    )


@asynccontextmanager
async def open_retention(settings: Settings) -> AsyncIterator[RetentionService]:
    """For the `gc` command, next to a running service."""
    async with (
        open_resources(Service.GENERATOR, settings) as resources,
        open_objects(settings.objects_url, Service.GENERATOR) as objects,
    ):
        yield retention_service(resources.pool, objects.own, resources.publisher)
