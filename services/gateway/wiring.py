"""Opens everything that the gateway needs, from top to bottom, and closes it in reverse."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

from services.gateway.api.app_state import AppState
from services.gateway.api.auth.issuer import Issuer, IssuerClient
from services.gateway.api.auth.issuer_keys import IssuerKeys
from services.gateway.api.auth.media_signatures import MediaSigner
from services.gateway.api.auth.oidc import OidcTokens
from services.gateway.api.auth.sealing import Sealer
from services.gateway.api.auth.sign_in import SignIn
from services.gateway.api.auth.tokens import LocalTokens
from services.gateway.api.derived_files import DerivedFiles
from services.gateway.api.media_inspection import MediaInspector
from services.gateway.api.middleware.auth import API
from services.gateway.api.middleware.concurrency import ConcurrencyLimit
from services.gateway.api.middleware.rate_limit import RateLimit, sharing
from services.gateway.api.peaks import Peaks
from services.gateway.api.poster_sizes import PosterSizes
from services.gateway.api.provenance import ProvenanceReader
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
from services.gateway.store.sessions import EndedSessions
from services.gateway.store.sign_ins import SignIns
from services.gateway.store.stream_counts import StreamCounts
from services.gateway.store.tickets import Tickets
from services.gateway.store.unit_of_work import StoreFactory
from services.gateway.stream.hub import Hub
from services.gateway.stream.quota import StreamQuota
from shared.contracts.catalogue import load_catalogue
from shared.contracts.topics import Service
from shared.core.clock import Clock
from shared.jobs.recurring import RecurringJob, recurring_kinds, schedule
from shared.objects.proof import open_proven_objects
from shared.postgres.listener import Listener
from shared.postgres.pool import ACQUIRE_TIMEOUT_S, Connection, Pool, transaction
from shared.retention.jobs import retention_jobs
from shared.service import Resources, open_resources, run_jobs, run_messaging
from shared.web.health import problem_check


@asynccontextmanager
async def wire(settings: Settings) -> AsyncIterator[AppState]:
    """The gateway starts and is ready without a broker: what it accepts is published later."""
    async with AsyncExitStack() as stack:
        resources = await stack.enter_async_context(open_resources(Service.GATEWAY, settings))
        pool, clock = resources.pool, resources.clock
        stores = StoreFactory(
            resources.publisher,
            load_catalogue(settings.catalogue),
            settings.default_provider,
            settings.step_by_step_share,
            settings.quotas,
        )
        hub = await stack.enter_async_context(_hub(resources, settings))
        objects = await stack.enter_async_context(open_proven_objects(settings.objects_url, Service.GATEWAY))
        recurring = [
            *recurring_jobs(pool, stores, clock),
            *retention_jobs(retention_service(pool, objects.own), clock, purge_every=PURGE_EVERY),
        ]
        await _prepare(pool, stores, settings, recurring)
        kinds = {**job_kinds(pool, stores), **recurring_kinds(recurring, pool, clock)}
        await stack.enter_async_context(run_jobs(resources, kinds))
        messaging = await stack.enter_async_context(
            run_messaging(resources, consumer_router(stores), needs_broker=False)
        )
        tokens = LocalTokens(
            *settings.jwt_secrets,
            issuer=settings.jwt_issuer,
            audience=settings.jwt_audience,
            clock=clock,
        )
        keys = await stack.enter_async_context(_issuer_keys(settings, clock))
        verifier = _oidc_tokens(keys, settings, settings.oidc_audience, clock) if keys else tokens
        sign_in = await stack.enter_async_context(_sign_in(keys, settings, pool, clock))
        limit = RateLimit(settings.rate_quota, settings.rate_window_s, clock)
        await stack.enter_async_context(sharing(limit, RateWindows(pool), clock))
        sized, heard = DerivedFiles(settings.work_dir), DerivedFiles(settings.work_dir)
        stack.callback(sized.close)
        stack.callback(heard.close)
        concurrency = ConcurrencyLimit(settings.requests_at_once, settings.waits_at_once)
        messaging.health.informative = {**messaging.health.informative, "load": problem_check(concurrency.trouble)}
        await stack.enter_async_context(review_gauges(_measure(pool), TARGETS, clock))
        yield AppState(
            settings=settings,
            pool=pool,
            stores=stores,
            queries=_queries(stores, clock),
            verifier=verifier,
            sign_in=sign_in,
            tokens=tokens,
            tickets=Tickets(pool, clock),
            ended_sessions=EndedSessions(pool),
            signer=MediaSigner(*settings.media_secrets, clock=clock),
            hub=hub,
            event_log=EventLog(pool),
            objects=objects,
            inspector=MediaInspector(),
            posters=PosterSizes(sized),
            peaks=Peaks(heard),
            provenance=ProvenanceReader(settings.work_dir),
            catalogue=stores.catalogue,
            health=messaging.health,
            clock=clock,
            new_id=resources.new_id,
            see_user=_remember(pool, stores),
            limit=limit,
            concurrency=concurrency,
        )


@asynccontextmanager
async def _hub(resources: Resources, settings: Settings) -> AsyncIterator[Hub]:
    """PostgreSQL notifies the hub of every replica, whichever replica wrote."""
    quota = StreamQuota(StreamCounts(resources.pool, resources.new_id()), settings.streams_per_user)
    hub = Hub(EventLog(resources.pool), clock=resources.clock, quota=quota, streams_max=settings.streams_max)

    def notified(channel: str, payload: str) -> None:
        if channel == "events":
            hub.wake()
        else:
            hub.notify(payload)

    async with quota, hub, Listener(settings.direct_url, notified, "events", "decisions"):
        yield hub


async def _prepare(pool: Pool, stores: StoreFactory, settings: Settings, recurring: Sequence[RecurringJob]) -> None:
    """Rows that must exist before anything runs; every replica may create them."""
    async with transaction(pool) as connection:
        await schedule(connection, recurring)
        if settings.local_mode:
            await ensure_local_project(stores(connection))


@asynccontextmanager
async def _issuer_keys(settings: Settings, clock: Clock) -> AsyncIterator[IssuerKeys | None]:
    """Of the configured issuer. Its tokens are then the only ones: where people sign in with an issuer, a leaked local
    secret must not open anything."""
    if settings.oidc_issuer is None:
        yield None
        return
    keys = IssuerKeys(settings.oidc_issuer, clock)
    try:
        yield keys
    finally:
        await keys.aclose()


def _oidc_tokens(keys: IssuerKeys, settings: Settings, audience: str, clock: Clock) -> OidcTokens:
    return OidcTokens(
        keys,
        issuer=settings.oidc_issuer or "",
        audience=audience,
        algorithms=settings.oidc_algorithms,
        leeway_s=settings.oidc_leeway_s,
        clock=clock,
    )


@asynccontextmanager
async def _sign_in(
    keys: IssuerKeys | None, settings: Settings, pool: Pool, clock: Clock
) -> AsyncIterator[SignIn | None]:
    client_id, home = settings.oidc_client_id, settings.public_url
    if keys is None or client_id is None or home is None or settings.oidc_issuer is None:
        yield None
        return
    secret = settings.oidc_client_secret
    client = IssuerClient(
        issuer=settings.oidc_issuer,
        client_id=client_id,
        secret=secret.get_secret_value() if secret else None,
        scopes=settings.oidc_scopes,
        redirect_uri=f"{home}{API}/auth/callback",
        home=f"{home}/",
        parameters=settings.oidc_login_parameters,
    )
    sign_in = SignIn(
        Issuer(client, clock),
        _oidc_tokens(keys, settings, settings.oidc_audience, clock),
        _oidc_tokens(keys, settings, client_id, clock),
        SignIns(pool, clock),
        Sealer(*settings.jwt_secrets, purpose="retake sign-in"),
        client_id=client_id,
        home=home,
        life=timedelta(hours=settings.oidc_session_hours),
        clock=clock,
    )
    try:
        yield sign_in
    finally:
        await sign_in.aclose()


def _queries(stores: StoreFactory, clock: Clock) -> Callable[[Connection, Links], Queries]:
    def queries(connection: Connection, links: Links) -> Queries:
        return Queries(
            connection, links, stores.catalogue, stores.default_provider, clock.now(), stores.step_by_step_share
        )

    return queries


def _remember(pool: Pool, stores: StoreFactory) -> Callable[[str, str], Awaitable[None]]:
    async def remember(user_id: str, name: str) -> None:
        async with transaction(pool) as connection:
            await remember_user(stores(connection), user_id, name)

    return remember


def _measure(pool: Pool) -> Callable[[datetime], Awaitable[Mapping[str, Any]]]:
    async def measure(since: datetime) -> Mapping[str, Any]:
        async with pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection:
            return await review_metrics(connection, since=since)

    return measure
