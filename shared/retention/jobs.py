"""Retention on a schedule: of all replicas, one purges or collects at a time."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from shared.core.clock import Clock
from shared.jobs.recurring import RecurringJob
from shared.retention.engine import Freed, RetentionService

PURGE_EVERY: Final = timedelta(minutes=5)
COLLECT_EVERY: Final = timedelta(hours=6)  # it lists every folder of the bucket


def retention_jobs(
    service: RetentionService, clock: Clock, *, purge_every: timedelta = PURGE_EVERY
) -> list[RecurringJob]:
    async def purge() -> Freed:
        return await service.purge(clock.now())

    async def collect() -> Freed:
        return await service.collect(clock.now())

    return [
        RecurringJob("retention-purge", purge_every, purge),
        RecurringJob("retention-collect", COLLECT_EVERY, collect),
    ]
