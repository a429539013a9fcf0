"""Retention of messaging: published outbox rows and inbox entries are kept for their window, then deleted."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Final

from shared.core.clock import Clock
from shared.jobs.recurring import recurring
from shared.messaging import inbox
from shared.postgres.pool import Pool, transaction

EVERY_S: Final = 3600.0
KEPT_DAYS: Final = 8  # one day more than a replay publishes again

_PRUNE_OUTBOX: Final = """
    delete from outbox o
    where published_at is not null and created_at < now() - make_interval(days => $1)
      and not (topic = 'complete'
               and id = (select max(id) from outbox last where last.topic = o.topic and last.key = o.key))
"""


def prune_recurringly(pool: Pool, clock: Clock) -> AbstractAsyncContextManager[None]:
    """Prunes once an hour while the block is open."""
    return recurring(lambda: prune(pool), name="messaging-retention", every_s=EVERY_S, clock=clock)


async def prune(pool: Pool) -> None:
    """Deletes what is past its window, except the last `complete` of each asset: a replay must include every commit."""
    async with transaction(pool) as connection:
        await connection.execute(_PRUNE_OUTBOX, KEPT_DAYS, timeout=300)
        await inbox.prune(connection)
