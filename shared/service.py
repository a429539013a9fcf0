"""What a service's app has in common: lifespan, health, logging, and the mechanisms that run beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from fastapi import FastAPI
from faststream.kafka import KafkaRouter

from shared.contracts.topics import Service
from shared.core.clock import Clock, SystemClock
from shared.core.ids import NewId, new_id
from shared.core.settings import ServiceSettings
from shared.messaging.broker import BrokerConfig
from shared.messaging.consumer import Consumer, OnDeadLetter
from shared.messaging.events import Publisher
from shared.messaging.relay import Relay
from shared.messaging.retention import housekeeping
from shared.observability.logging import configure_logging
from shared.observability.tracing import export_traces
from shared.postgres.pool import Pool, open_pool
from shared.web.health import Health, database_check, health_routes, problem_check

MECHANISMS_VERSION: Final = "0001"  # every service has at least its first migration


@dataclass(frozen=True)
class Resources:
    """What wiring builds on: opened first, closed last."""

    service: Service
    settings: ServiceSettings
    pool: Pool
    publisher: Publisher
    broker: BrokerConfig
    clock: Clock
    new_id: NewId


@asynccontextmanager
async def open_resources(
    service: Service, settings: ServiceSettings, *, clock: Clock | None = None, ids: NewId = new_id
) -> AsyncIterator[Resources]:
    """The pool and what needs no running: wiring builds its adapters and use cases from it."""
    clock = clock or SystemClock()
    broker = BrokerConfig(settings.kafka_bootstrap, service, settings.kafka_embedded)
    async with open_pool(settings.database_url, size=settings.pool_size, application=f"retake-{service}") as pool:
        yield Resources(service, settings, pool, Publisher(service, clock, ids), broker, clock, ids)


@dataclass(frozen=True)
class Messaging:
    """What runs beside a service's own work."""

    health: Health
    consumer: Consumer
    relay: Relay


@asynccontextmanager
async def run_messaging(
    base: Resources,
    router: KafkaRouter,
    *,
    on_dead_letter: OnDeadLetter | None = None,
    on_batch: Callable[[], None] | None = None,
    needs_broker: bool = True,
    migration: str = MECHANISMS_VERSION,
) -> AsyncIterator[Messaging]:
    """Relay, consumer, housekeeping and the health of all. Leaves in reverse: consume no more, then publish."""
    async with AsyncExitStack() as stack:
        relay = await stack.enter_async_context(Relay(base.broker, base.settings.database_url, clock=base.clock))
        await stack.enter_async_context(housekeeping(base.pool, base.clock))
        consumer = await stack.enter_async_context(
            Consumer(base.broker, base.pool, router, clock=base.clock, on_dead_letter=on_dead_letter, on_batch=on_batch)
        )
        messaging = {"relay": problem_check(lambda: relay.problem), "consumer": problem_check(lambda: consumer.problem)}
        required = {"database": database_check(base.pool, migration)}
        if needs_broker:
            health = Health(base.service, required | messaging)
        else:
            health = Health(base.service, required, messaging)
        yield Messaging(health, consumer, relay)


Wire = Callable[[ServiceSettings], AbstractAsyncContextManager[Health]]


def service_app(
    service: Service,
    settings: Any,
    wire: Callable[[Any], AbstractAsyncContextManager[Health]],
    *,
    setup: Callable[[FastAPI], Awaitable[None]] | None = None,
) -> FastAPI:
    """The app of a service without an HTTP API of its own: health and metrics around its wiring."""
    configure_logging(service, level=settings.log_level, json=settings.log_json)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with export_traces(service), wire(settings) as health:
            app.state.health = health
            if setup:
                await setup(app)
            yield
            health.draining = True

    app = FastAPI(title=f"Retake {service}", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(health_routes(lambda: app.state.health))
    return app
