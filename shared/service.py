"""What the services have in common: resources, messaging, and an ASGI app with health checks and metrics."""

from __future__ import annotations

import platform
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import TypeVar

from fastapi import FastAPI
from faststream.kafka import KafkaRouter

from shared.contracts.topics import Service
from shared.core.clock import Clock, SystemClock
from shared.core.ids import NewId, new_id
from shared.core.settings import ServiceSettings
from shared.jobs.rounds import ROUNDS
from shared.jobs.worker import JobKind, Worker
from shared.messaging.backlog import watch_backlog
from shared.messaging.broker import BrokerConfig
from shared.messaging.consumer import Consumer, OnDeadLetter
from shared.messaging.events import Publisher
from shared.messaging.relay import Relay
from shared.messaging.retention import prune_recurringly
from shared.migrate import newest_migration
from shared.observability.logging import configure_logging
from shared.observability.metrics import BUILD_INFO, DB_POOL_IN_USE, DB_POOL_SIZE
from shared.observability.tracing import export_traces
from shared.postgres.pool import Pool, open_pool
from shared.postgres.probe import DatabaseProbe, require_database
from shared.web.cookies import WithoutCookies
from shared.web.health import Health, database_check, health_routes, problem_check
from shared.web.shutdown import on_termination
from shared.web.starting import Starting

S = TypeVar("S", bound=ServiceSettings)


@dataclass(frozen=True)
class Resources:
    """What every service's wiring builds on: opened first, closed last."""

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
    """Opens the connection pool. Nothing runs yet: wiring builds repositories and commands from these.

    Raises DependencyMissing while there is no database of this release, UserError for settings that cannot work.
    """
    clock = clock or SystemClock()
    broker = BrokerConfig.of(settings.kafka_bootstrap, service, settings, embedded=settings.kafka_embedded)
    await _require_database(service, settings)
    async with open_pool(
        settings.database_url,
        size=settings.pool_size,
        application=f"retake-{service}",
        behind_pooler=settings.database_direct_url is not None,
    ) as pool:
        DB_POOL_SIZE.labels(service).set(pool.get_max_size())
        DB_POOL_IN_USE.labels(service).set_function(lambda: pool.get_size() - pool.get_idle_size())
        yield Resources(service, settings, pool, Publisher(service, clock, ids), broker, clock, ids)


async def _require_database(service: Service, settings: ServiceSettings) -> None:
    """By either way to it."""
    version, prefix = newest_migration(service), service.upper()
    await require_database(settings.database_url, service, version, variable=f"{prefix}_DATABASE_URL")
    if direct := settings.database_direct_url:
        await require_database(direct, service, version, variable=f"{prefix}_DATABASE_DIRECT_URL")


@dataclass(frozen=True)
class MessagingRuntime:
    """The running consumer, and the health of the service as far as the database and messaging decide it."""

    health: Health
    consumer: Consumer | None
    """None for a replica that only works."""


@asynccontextmanager
async def run_messaging(
    resources: Resources,
    router: KafkaRouter,
    *,
    on_dead_letter: OnDeadLetter | None = None,
    needs_broker: bool = True,
) -> AsyncIterator[MessagingRuntime]:
    """Runs the relay, the consumer and the pruning of their tables. Stops in reverse order: consuming ends first.

    Readiness depends on the relay, the consumer and recurring work only with `needs_broker`; without it their state is
    only shown.
    """
    async with AsyncExitStack() as stack:
        has_events = resources.settings.role.has_events
        messaging = {"recurring": problem_check(ROUNDS.problem)}
        if has_events:
            relay = await stack.enter_async_context(
                Relay(resources.broker, resources.settings.direct_url, clock=resources.clock)
            )
            messaging["relay"] = problem_check(lambda: relay.problem)
        await stack.enter_async_context(prune_recurringly(resources.pool, resources.clock))
        await stack.enter_async_context(watch_backlog(resources.pool, resources.service, resources.clock))
        BUILD_INFO.labels(resources.service, version("retake"), platform.python_version()).set(1)
        consumer: Consumer | None = None
        if has_events:
            consumer = reading = await stack.enter_async_context(
                Consumer(resources.broker, resources.pool, router, clock=resources.clock, on_dead_letter=on_dead_letter)
            )
            messaging["consumer"] = problem_check(lambda: reading.problem)
        probe = await stack.enter_async_context(DatabaseProbe(resources.settings.database_url, resources.service))
        required = {"database": database_check(probe, resources.service, newest_migration(resources.service))}
        if needs_broker:
            health = Health(resources.service, required | messaging)
        else:
            health = Health(resources.service, required, messaging)
        yield MessagingRuntime(health, consumer)


@asynccontextmanager
async def run_jobs(resources: Resources, kinds: Mapping[str, JobKind]) -> AsyncIterator[None]:
    """Works on jobs of these kinds, unless this replica has other work."""
    settings = resources.settings
    if not settings.role.has_work:
        yield
        return
    async with Worker(
        resources.pool,
        settings.direct_url,
        kinds,
        clock=resources.clock,
        new_id=resources.new_id,
        finish_s=settings.finish_s,
    ):
        yield


def service_app(
    service: Service,
    settings: S,
    wire: Callable[[S], AbstractAsyncContextManager[Health]],
) -> FastAPI:
    """The app of a service without an HTTP API of its own: health checks and metrics around its wiring."""
    configure_logging(service, level=settings.log_level, json=settings.log_json)
    starting = Starting(service, lambda: wire(settings), health_of=lambda health: health)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with export_traces(service):
            with on_termination(starting.drain):
                async with starting:
                    yield

    app = FastAPI(title=f"Retake {service}", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.starting = starting
    app.add_middleware(WithoutCookies)
    app.include_router(health_routes(lambda: starting.health))
    return app
