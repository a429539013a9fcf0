"""The deadline sweep: a column and a loop, so that deadlines survive restarts."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Final

from prometheus_client import Gauge

from services.review.commands.expire_reviews import expire_reviews
from services.review.commands.ports import Reviews
from shared.core.clock import Clock
from shared.jobs.recurring import recurring
from shared.postgres.pool import Connection, Pool, transaction

EVERY_S: Final = 1.0

OPEN = Gauge("retake_reviews_open", "Previews that wait for a decision")


def deadline_sweep(
    pool: Pool, stores: Callable[[Connection], Reviews], *, clock: Clock, settled_for: Callable[[], float],
    settled_s: float,
) -> AbstractAsyncContextManager[None]:  # fmt: skip
    """Expires what is due, but only when no submitted decision can be waiting unread."""

    async def sweep() -> None:
        async with transaction(pool) as connection:
            reviews = stores(connection)
            if settled_for() >= settled_s:
                await expire_reviews(reviews, clock.now())
            OPEN.set(await reviews.count_open())

    return recurring(sweep, name="deadline-sweep", every_s=EVERY_S, clock=clock)
