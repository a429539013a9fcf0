"""What the gateway deletes: uploads that are not kept any more, and objects without a row (a client that disconnected
during an upload, a crash). It also shows versions as gone once the generator has marked them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

from services.gateway.config import Settings
from services.gateway.domain.retention import upload_disposition
from services.gateway.store.retention import UploadRetention, referenced_keys, retire_versions
from shared.contracts.retention import GRACE
from shared.contracts.topics import Service
from shared.objects import ObjectStore, open_objects
from shared.postgres.pool import Pool
from shared.retention.engine import Orphans, RetentionService, Table
from shared.service import open_resources

PURGE_EVERY: Final = timedelta(minutes=30)  # a round looks up the runs and imports of every upload


def retention_service(pool: Pool, store: ObjectStore) -> RetentionService:
    return RetentionService(
        pool,
        store,
        tables=[Table("upload", UploadRetention, upload_disposition)],
        orphans=Orphans({"uploads/": GRACE, "parts/": GRACE}, referenced_keys),
        before_purge=retire_versions,
    )


@asynccontextmanager
async def open_retention(settings: Settings) -> AsyncIterator[RetentionService]:
    """For the `gc` command, next to a running service."""
    async with (
        open_resources(Service.GATEWAY, settings) as resources,
        open_objects(settings.objects_url, Service.GATEWAY) as objects,
    ):
        yield retention_service(resources.pool, objects.own)
