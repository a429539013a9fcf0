"""The recurring job of review. Deadlines are a column and a sweep, so that they survive restarts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Final

from services.review import metrics
from services.review.commands.reviews import expire_reviews
from services.review.store.reviews import ReviewRepository
from shared.core.clock import Clock
from shared.jobs.recurring import recurring
from shared.postgres.pool import Connection, Pool, transaction

EVERY_S: Final = 1.0


def deadline_sweep(
    pool: Pool,
    store: Callable[[Connection], ReviewRepository],
    *,
    clock: Clock,
    settled_for: Callable[[], float],
    settled_s: float,
    all_replicas_have_read: Callable[[], Awaitable[bool]],
) -> AbstractAsyncContextManager[None]:
    """Expires reviews that are due, but only when no submitted decision can still be unread: after `settled_s` seconds
    during which the broker was healthy and this replica read everything (time for the gateway's outbox to empty), and
    when no partition of another replica holds an unread decision."""

    async def sweep() -> None:
        now = clock.now()
        async with transaction(pool) as connection:
            reviews = store(connection)
            metrics.OPEN.set(await reviews.count_open())
            due = await reviews.has_due(now)
        if due and settled_for() >= settled_s and await all_replicas_have_read():
            async with transaction(pool) as connection:
                await expire_reviews(store(connection), now)

    return recurring(sweep, name="deadline-sweep", every_s=EVERY_S, clock=clock)
