"""Opens what the gateway needs, in order, and closes it in reverse."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from typing import Any

from services.gateway.api.app_state import AppState, Verifier
from services.gateway.api.auth.issuer_keys import IssuerKeys
from services.gateway.api.auth.media_signatures import MediaSigner
from services.gateway.api.auth.oidc import OidcTokens
from services.gateway.api.auth.tokens import LocalTokens
from services.gateway.api.media_inspection import MediaInspector
from services.gateway.api.middleware.concurrency import ConcurrencyLimit
from services.gateway.api.middleware.rate_limit import RateLimit, sharing
from services.gateway.commands.accounts import remember_user
from services.gateway.commands.projects import ensure_local_project
from services.gateway.config import Settings
from services.gateway.consumers import consumer_router
from services.gateway.domain.links import Links
from services.gateway.jobs import job_kinds, recurring_jobs
from services.gateway.metrics import review_gauges
from services.gateway.queries.facade import Queries
from services.gateway.queries.metrics import TARGETS, review_metrics
from services.gateway.retention import PURGE_EVERY, retention_service
from services.gateway.store.event_log import EventLog
from services.gateway.store.rate_windows import RateWindows
from services.gateway.store.stream_counts import StreamCounts
from services.gateway.store.tickets import Tickets
from services.gateway.store.unit_of_work import StoreFactory
from services.gateway.stream.hub import Hub
from services.gateway.stream.quota import StreamQuota
from shared.contracts.catalogue import load_catalogue
from shared.contracts.topics import Service
from shared.core.clock import Clock
from shared.jobs.recurring import RecurringJob, recurring_kinds, schedule
from shared.jobs.worker import Worker
from shared.objects import open_objects
from shared.postgres.listener import Listener
from shared.postgres.pool import ACQUIRE_TIMEOUT_S, Connection, transaction
from shared.retention.jobs import retention_jobs
from shared.service import Resources, open_resources, run_messaging
from shared.web.health import problem_check


@asynccontextmanager
async def wire(settings: Settings) -> AsyncIterator[AppState]:
    """A lost broker never keeps the gateway from starting or from being ready: what it accepts goes out later."""
    async with AsyncExitStack() as stack:
        base = await stack.enter_async_context(open_resources(Service.GATEWAY, settings))
        stores = StoreFactory(
            base.publisher,
            load_catalogue(settings.catalogue),
            settings.default_provider,
            settings.step_by_step_share,
            settings.quotas,
        )
        hub = await stack.enter_async_context(_hub(base, settings))
        objects = await stack.enter_async_context(open_objects(settings.objects_url, Service.GATEWAY))
        retention = retention_service(base.pool, objects.own)
        recurring = [
            *recurring_jobs(base.pool, stores, base.clock),
            *retention_jobs(retention, base.clock, purge_every=PURGE_EVERY),
        ]
        await _prepare(base, stores, settings, recurring)
        kinds = {**job_kinds(base.pool, stores), **recurring_kinds(recurring, base.pool, base.clock)}
        await stack.enter_async_context(
            Worker(base.pool, settings.database_url, kinds, clock=base.clock, new_id=base.new_id)
        )
        messaging = await stack.enter_async_context(run_messaging(base, consumer_router(stores), needs_broker=False))

        def queries(connection: Connection, links: Links) -> Queries:
            return Queries(
                connection,
                links,
                stores.catalogue,
                stores.default_provider,
                base.clock.now(),
                stores.step_by_step_share,
            )

        async def see(user_id: str, name: str) -> None:
            async with transaction(base.pool) as connection:
                await remember_user(stores(connection), user_id, name)

        tokens = LocalTokens(
            settings.jwt_secret.get_secret_value(),
            issuer=settings.jwt_issuer,
            audience=settings.jwt_audience,
            clock=base.clock,
        )
        verifier = await stack.enter_async_context(_verifier(settings, tokens, base.clock))
        limit, concurrency = (
            RateLimit(settings.rate_quota, settings.rate_window_s, base.clock),
            ConcurrencyLimit(settings.requests_at_once, settings.waits_at_once),
        )
        await stack.enter_async_context(sharing(limit, RateWindows(base.pool), base.clock))
        messaging.health.informative = {**messaging.health.informative, "load": problem_check(concurrency.trouble)}

        async def measured(since: datetime) -> Mapping[str, Any]:
            async with base.pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection:
                return await review_metrics(connection, since=since)

        await stack.enter_async_context(review_gauges(measured, TARGETS, base.clock))
        yield AppState(
            settings=settings,
            pool=base.pool,
            stores=stores,
            queries=queries,
            verifier=verifier,
            tokens=tokens,
            tickets=Tickets(base.pool, base.clock),
            signer=MediaSigner(settings.media_secret.get_secret_value(), base.clock),
            hub=hub,
            event_log=EventLog(base.pool),
            objects=objects,
            inspector=MediaInspector(),
            catalogue=stores.catalogue,
            health=messaging.health,
            clock=base.clock,
            new_id=base.new_id,
            see_user=see,
            limit=limit,
            concurrency=concurrency,
        )


async def _prepare(
    base: Resources, stores: StoreFactory, settings: Settings, recurring: Sequence[RecurringJob]
) -> None:
    async with transaction(base.pool) as connection:
        await schedule(connection, recurring)
        if settings.local_mode:
            await ensure_local_project(stores(connection))


@asynccontextmanager
async def _verifier(settings: Settings, local: LocalTokens, clock: Clock) -> AsyncIterator[Verifier]:
    """The issuer's tokens where one is configured, else those of the local secret: never both, so that a secret that
    leaks opens nothing where people sign in elsewhere."""
    if settings.oidc_issuer is None:
        yield local
        return
    keys = IssuerKeys(settings.oidc_issuer, clock)
    try:
        yield OidcTokens(
            keys,
            issuer=settings.oidc_issuer,
            audience=settings.oidc_audience,
            algorithms=settings.oidc_algorithms,
            leeway_s=settings.oidc_leeway_s,
            clock=clock,
        )
    finally:
        await keys.aclose()


@asynccontextmanager
async def _hub(base: Resources, settings: Settings) -> AsyncIterator[Hub]:
    """Woken by PostgreSQL, whichever replica wrote."""
    quota = StreamQuota(StreamCounts(base.pool, base.new_id()), settings.streams_per_user)
    hub = Hub(EventLog(base.pool), clock=base.clock, quota=quota, streams_max=settings.streams_max)

    def notified(channel: str, payload: str) -> None:
        if channel == "events":
            hub.wake()
        else:
            hub.notify(payload)

    async with quota, hub, Listener(settings.database_url, notified, "events", "decisions"):
        yield hub
