"""What the HTTP entrypoint needs of the outside world; wiring fills it in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from services.gateway.api.middleware.concurrency import ConcurrencyLimit
from services.gateway.api.middleware.rate_limit import RateLimit
from services.gateway.config import Settings
from services.gateway.domain.idempotency import StoredResponse
from services.gateway.domain.identity import Identity
from services.gateway.domain.links import Links
from services.gateway.domain.media import MediaFile
from services.gateway.domain.paging import Listing, Page
from services.gateway.domain.uploads import Inspected
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
"""One resource as it goes out."""


class Verifier(Protocol):
    """Of bearer tokens: the local secret, or an issuer's keys."""

    async def verify(self, token: str) -> Identity:
        """Raises BadToken."""
        ...


class LocalTokens(Verifier, Protocol):
    def issue(self, user_id: str, name: str, life: timedelta) -> str: ...
    def open_session(self, identity: Identity) -> tuple[str, int]: ...
    def verify_session(self, token: str) -> Identity: ...


class Tickets(Protocol):
    async def issue(self, user_id: str, path: str) -> tuple[str, datetime]: ...
    async def redeem(self, ticket: str, path: str) -> str | None: ...


class Signer(Protocol):
    def expiry(self) -> int: ...
    def sign(self, media: str, user_id: str, expires: int) -> str: ...
    def caller_of(self, media: str, signature: str, expires: int) -> str | None: ...
    def is_over(self, expires: int) -> bool: ...


class Answers(Protocol):
    """Answers kept for repeated requests."""

    async def lock(self, connection: Connection, caller: str, key: str) -> bool: ...
    async def find(self, connection: Connection, caller: str, key: str) -> StoredResponse | None: ...
    async def keep(self, connection: Connection, caller: str, key: str, kept: StoredResponse) -> None: ...
    async def forget(self, connection: Connection, caller: str, key: str) -> None: ...


class Inspector(Protocol):
    """Looks into uploaded files."""

    async def inspect(self, kind: str, path: Path) -> Inspected:
        """Raises UserError: the file cannot be read as what it says it is, or is too large."""
        ...


class Views(Protocol):
    """Resources as JSON, read on one connection for one caller. Whoever calls has checked the role (`authorize`).

    One resource that is not there: Refusal not-found.
    """

    async def project(self, project_id: str) -> Json: ...
    async def projects(self, page: Page) -> Listing: ...
    async def settings(self, project_id: str) -> Json: ...
    async def members(self, project_id: str, page: Page) -> Listing: ...
    async def member(self, project_id: str, user_id: str) -> Json: ...
    async def usage(self, project_id: str, start: datetime | None, end: datetime | None, group_by: str) -> Json: ...
    async def metrics(self, project_id: str, episode_id: str | None) -> Json: ...
    async def progress(self, project_id: str, page: Page) -> Listing: ...
    async def upload(self, upload_id: str) -> Json: ...
    async def import_(self, import_id: str) -> Json: ...
    async def episodes(self, project_id: str, page: Page) -> Listing: ...
    async def episode(self, episode_id: str) -> Json: ...
    async def order(self, episode_id: str) -> Json: ...
    async def revisions(self, episode_id: str, page: Page) -> Listing: ...
    async def segments(self, episode_id: str, page: Page) -> Listing: ...
    async def segment(self, segment_id: str) -> Json: ...
    async def segments_status(self, episode_id: str) -> Json: ...
    async def assets(self, episode_id: str, page: Page) -> Listing: ...
    async def asset(self, asset_id: str) -> Json: ...
    async def runs(self, page: Page, *, project_id: str | None = None, asset_id: str | None = None) -> Listing: ...
    async def run(self, run_id: str) -> Json: ...
    async def versions(self, asset_id: str, page: Page) -> Listing: ...
    async def version(self, version_id: str) -> Json: ...
    async def compare(self, asset_id: str, version_ids: Sequence[str]) -> Json: ...
    async def reviews(self, page: Page, *, project_id: str) -> Listing: ...
    async def review(self, review_id: str) -> Json: ...
    async def batches(self, episode_id: str, page: Page) -> Listing: ...
    async def batch(self, batch_id: str) -> Json: ...
    async def compilations(self, episode_id: str, page: Page) -> Listing: ...
    async def compilation(self, compilation_id: str) -> Json: ...
    async def project_ids(self) -> list[str]: ...
    async def snapshot(self, project_ids: Iterable[str]) -> tuple[int, str]: ...
    async def media(self, collection: str, object_id: str, rendition: str) -> MediaFile: ...


@dataclass(frozen=True)
class AppState:
    """Everything that a route may reach, as `request.app.state.gateway`."""

    settings: Settings
    pool: Pool
    stores: Callable[[Connection], Store]
    views: Callable[[Connection, Links], Views]
    answers: Answers
    verifier: Verifier
    tokens: LocalTokens
    tickets: Tickets
    signer: Signer
    hub: Hub
    event_log: EventLog
    objects: Objects
    inspector: Inspector
    catalogue: Catalogue
    health: Health
    clock: Clock
    new_id: NewId
    see_user: Callable[[str, str], Awaitable[None]]
    limit: RateLimit
    concurrency: ConcurrencyLimit
    waiting: set[tuple[str, str]] = field(default_factory=set)
    """(caller, Idempotency-Key) of the commands that are being answered here."""

    def links(self, user_id: str, origin: str) -> Links:
        base = self.settings.public_url or origin
        return Links(base, user_id, self.signer.expiry(), self.signer.sign)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Connection]:
        """One snapshot of the database for everything that an answer shows."""
        async with (
            self.pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            yield connection

    @asynccontextmanager
    async def glancing(self) -> AsyncIterator[Connection]:
        """For one statement: without a transaction, and so without its two round trips."""
        async with self.pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection:
            yield connection

    def writing(self) -> AbstractAsyncContextManager[Connection]:
        return transaction(self.pool)
