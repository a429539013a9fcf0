"""Opens what review needs, in order, and closes it in reverse."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.review.config import Settings
from services.review.consumers import consumer_router, refuse_dead_letters
from services.review.jobs import deadline_sweep
from services.review.store.reviews import ReviewRepository
from shared.contracts.events.gateway import DecisionSubmitted
from shared.contracts.topics import Service
from shared.messaging.group_lag import group_has_read
from shared.postgres.pool import Connection
from shared.service import open_resources, run_messaging
from shared.web.health import Health


@asynccontextmanager
async def wire(settings: Settings) -> AsyncIterator[Health]:
    async with open_resources(Service.REVIEW, settings) as resources:

        def store(connection: Connection) -> ReviewRepository:
            return ReviewRepository(connection, resources.publisher)

        async with run_messaging(
            resources, consumer_router(store, resources.clock), on_dead_letter=refuse_dead_letters(store)
        ) as messaging:
            assert messaging.consumer is not None, "the settings refuse a role without events"
            async with deadline_sweep(
                resources.pool,
                store,
                clock=resources.clock,
                settled_for=messaging.consumer.settled_for,
                settled_s=settings.expiry_settled_s,
                all_replicas_have_read=lambda: group_has_read(resources.broker, DecisionSubmitted.TOPIC),
            ):
                yield messaging.health
