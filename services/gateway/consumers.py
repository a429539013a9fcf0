"""Event handlers: every fact that the other services publish updates the read model and the SSE log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from faststream.kafka import KafkaRouter

from services.gateway.projections.films import apply_film_updated
from services.gateway.projections.imports import apply_import_ready
from services.gateway.projections.reviews import apply_accepted, apply_rejected, apply_review_updated
from services.gateway.projections.runs import apply_failed, apply_preview_ready, apply_progress
from services.gateway.projections.versions import apply_complete
from services.gateway.store.unit_of_work import Store
from shared.contracts.events.compiler import FilmUpdated
from shared.contracts.events.generator import Complete, Failed, ImportReady, PreviewReady, Progress
from shared.contracts.events.review import Accepted, Rejected, ReviewUpdated
from shared.messaging.events import Message
from shared.messaging.routers import Delivery, on
from shared.postgres.pool import Connection

Stores = Callable[[Connection, Message[Any]], Store]


def consumer_router(stores: Stores) -> KafkaRouter:
    router = KafkaRouter()

    def store(delivery: Delivery[Any]) -> Store:
        return stores(delivery.connection, delivery.message)

    @on(router, Progress)
    async def on_progress(delivery: Delivery[Progress]) -> None:
        await apply_progress(store(delivery), delivery.event, delivery.time)

    @on(router, PreviewReady)
    async def on_preview_ready(delivery: Delivery[PreviewReady]) -> None:
        await apply_preview_ready(store(delivery), delivery.event, delivery.time)

    @on(router, ReviewUpdated)
    async def on_review_updated(delivery: Delivery[ReviewUpdated]) -> None:
        await apply_review_updated(store(delivery), delivery.event, delivery.time)

    @on(router, Accepted)
    async def on_accepted(delivery: Delivery[Accepted]) -> None:
        await apply_accepted(store(delivery), delivery.event, delivery.time)

    @on(router, Rejected)
    async def on_rejected(delivery: Delivery[Rejected]) -> None:
        await apply_rejected(store(delivery), delivery.event, delivery.time)

    @on(router, Complete)
    async def on_complete(delivery: Delivery[Complete]) -> None:
        await apply_complete(store(delivery), delivery.event)

    @on(router, Failed)
    async def on_failed(delivery: Delivery[Failed]) -> None:
        await apply_failed(store(delivery), delivery.event, delivery.time)

    @on(router, FilmUpdated)
    async def on_film_updated(delivery: Delivery[FilmUpdated]) -> None:
        await apply_film_updated(store(delivery), delivery.event, delivery.time)

    @on(router, ImportReady)
    async def on_import_ready(delivery: Delivery[ImportReady]) -> None:
        await apply_import_ready(store(delivery), delivery.event)

    return router
