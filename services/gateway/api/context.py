"""The context of a request: its user, and units of work over the database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, TypeVar

import asyncpg
from fastapi import Depends, Request

from services.gateway.api.app_state import AppState, app_state
from services.gateway.api.middleware.auth import IDENTITY
from services.gateway.api.middleware.errors import origin_of
from services.gateway.api.problems import ProblemError
from services.gateway.commands.accounts import authorize
from services.gateway.domain.accounts import Caller, Resource, Role
from services.gateway.domain.identity import Identity
from services.gateway.domain.problems import Slug
from services.gateway.queries.facade import Queries
from services.gateway.store.unit_of_work import Store
from shared.core.ids import is_id
from shared.postgres.pool import Connection

T = TypeVar("T")


@dataclass(frozen=True)
class UnitOfWork:
    """One transaction for one user: the store that commands write to, and the queries that make the response."""

    store: Store
    queries: Queries
    connection: Connection
    user_id: str

    async def require_role(self, resource: Resource, resource_id: str, least: Role) -> Caller:
        """Raises Refusal or ProblemError: not-found, forbidden."""
        require_id(resource_id)
        return await authorize(self.store, self.user_id, resource, resource_id, least)


def require_id(text: str) -> None:
    """Raises ProblemError not-found if this cannot be an id of ours."""
    if not is_id(text):
        raise ProblemError(Slug.NOT_FOUND)


class RequestContext:
    """One request of an authenticated user."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.state: AppState = app_state(request.app)
        identity: Identity | None = request.scope.get(IDENTITY)
        if identity is None:
            raise ProblemError(Slug.UNAUTHENTICATED)
        self.identity = identity

    @property
    def user_id(self) -> str:
        return self.identity.user_id

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[UnitOfWork]:
        """For reads of several statements that must agree."""
        async with self.state.snapshot() as connection:
            yield self._unit_of_work(connection)

    @asynccontextmanager
    async def single_read(self) -> AsyncIterator[UnitOfWork]:
        """For reads of one statement."""
        async with self.state.connection() as connection:
            yield self._unit_of_work(connection)

    async def transaction(self, effect: Callable[[UnitOfWork], Awaitable[T]]) -> T:
        """Runs `effect` in a transaction, a second time if PostgreSQL chose it as a deadlock's victim."""
        try:
            async with self.state.transaction() as connection:
                return await effect(self._unit_of_work(connection))
        except asyncpg.DeadlockDetectedError:
            async with self.state.transaction() as connection:
                return await effect(self._unit_of_work(connection))

    def _unit_of_work(self, connection: Connection) -> UnitOfWork:
        links = self.state.links(self.user_id, origin_of(self.request.scope))
        return UnitOfWork(
            self.state.stores(connection), self.state.queries(connection, links), connection, self.user_id
        )


async def signed_in(request: Request) -> RequestContext:
    return RequestContext(request)


SignedIn = Annotated[RequestContext, Depends(signed_in)]
"""A parameter of every route that needs an authenticated user."""


async def open_snapshot(context: SignedIn) -> AsyncIterator[UnitOfWork]:
    async with context.snapshot() as work:
        yield work


Snapshot = Annotated[UnitOfWork, Depends(open_snapshot, scope="function")]
"""A parameter of routes that only read; the snapshot is closed before the response is sent."""
