"""What the routes share, as `app.state.gateway`: wiring fills it in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from fastapi import FastAPI

from services.gateway.api.auth.media_signatures import MediaSigner
from services.gateway.api.auth.sign_in import SignIn
from services.gateway.api.auth.tokens import LocalTokens
from services.gateway.api.media_inspection import MediaInspector
from services.gateway.api.middleware.concurrency import ConcurrencyLimit
from services.gateway.api.middleware.rate_limit import RateLimit
from services.gateway.api.peaks import Peaks
from services.gateway.api.poster_sizes import PosterSizes
from services.gateway.api.provenance import ProvenanceReader
from services.gateway.config import Settings
from services.gateway.domain.identity import Identity
from services.gateway.domain.links import Links
from services.gateway.queries.facade import Queries
from services.gateway.store.sessions import EndedSessions
from services.gateway.store.tickets import Tickets
from services.gateway.store.unit_of_work import Store
from services.gateway.stream.hub import Hub
from services.gateway.stream.subscriber import EventLog
from shared.contracts.catalogue import Catalogue
from shared.core.clock import Clock
from shared.core.ids import NewId
from shared.objects import Objects
from shared.postgres.pool import ACQUIRE_TIMEOUT_S, Connection, Pool, transaction
from shared.web.health import Health

Json = dict[str, Any]
"""A JSON object."""


class Verifier(Protocol):
    """Verifies bearer tokens: those of the local secret, or those of an OpenID Connect issuer."""

    async def verify(self, token: str) -> Identity:
        """Raises InvalidToken."""
        ...


@dataclass(frozen=True)
class AppState:
    """Everything that a route may use."""

    settings: Settings
    pool: Pool
    stores: Callable[[Connection], Store]
    queries: Callable[[Connection, Links], Queries]
    verifier: Verifier
    sign_in: SignIn | None
    """None: browsers cannot sign in here; people bring a token."""
    tokens: LocalTokens
    tickets: Tickets
    ended_sessions: EndedSessions
    signer: MediaSigner
    hub: Hub
    event_log: EventLog
    objects: Objects
    inspector: MediaInspector
    posters: PosterSizes
    peaks: Peaks
    provenance: ProvenanceReader
    catalogue: Catalogue
    health: Health
    clock: Clock
    new_id: NewId
    see_user: Callable[[str, str], Awaitable[None]]
    limit: RateLimit
    concurrency: ConcurrencyLimit
    keys_in_flight: set[tuple[str, str]] = field(default_factory=set)
    """(user id, Idempotency-Key) of the commands that this process is executing."""

    def links(self, user_id: str, origin: str) -> Links:
        base = self.settings.public_url or origin
        return Links(base, user_id, self.signer.expiry(), self.signer.sign)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Connection]:
        """A read-only transaction that sees one state of the database."""
        async with (
            self.pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            yield connection

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """For a single statement, without the two round trips of a transaction."""
        async with self.pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection:
            yield connection

    def transaction(self) -> AbstractAsyncContextManager[Connection]:
        return transaction(self.pool)


def app_state(app: FastAPI) -> AppState:
    """The state of a running app. Before it exists, no request gets past `StartingMiddleware`."""
    state: AppState = app.state.gateway
    return state
