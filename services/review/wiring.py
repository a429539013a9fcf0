"""Opens what review needs, in order, and closes it in reverse."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.review.adapters.postgres import PostgresReviews
from services.review.config import Settings
from services.review.entrypoints.jobs import deadline_sweep
from services.review.entrypoints.kafka import handlers, refuse_dead_letters
from services.review.usecases.ports import Reviews
from shared.contracts.topics import Service
from shared.health import Health
from shared.postgres import Connection
from shared.service import open_base, run_messaging


@asynccontextmanager
async def wire(settings: Settings) -> AsyncIterator[Health]:
    async with open_base(Service.REVIEW, settings) as base:

        def stores(connection: Connection) -> Reviews:
            return PostgresReviews(connection, base.publisher)

        async with (
            run_messaging(base, handlers(stores, base.clock), on_dead_letter=refuse_dead_letters(stores)) as messaging,
            deadline_sweep(
                base.pool,
                stores,
                clock=base.clock,
                settled_for=messaging.consumer.settled_for,
                settled_s=settings.expiry_settled_s,
            ),
        ):
            yield messaging.health
