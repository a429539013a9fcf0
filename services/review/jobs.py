"""The recurring job of review. Deadlines are a column and a sweep, so that they survive restarts."""

from __future__ import annotations

from collections.abc import Callable
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
) -> AbstractAsyncContextManager[None]:
    """Expires reviews that are due, but only when no submitted decision can still be unread: after `settled_s` seconds
    during which the broker was healthy and everything was read."""

    async def sweep() -> None:
        async with transaction(pool) as connection:
            reviews = store(connection)
            if settled_for() >= settled_s:
                await expire_reviews(reviews, clock.now())
            metrics.OPEN.set(await reviews.count_open())

    return recurring(sweep, name="deadline-sweep", every_s=EVERY_S, clock=clock)
