"""How a route answers: reads in one snapshot, commands in one transaction with their idempotency key."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Final

import asyncpg
from fastapi import Depends, Request
from starlette.responses import Response

from services.gateway.api.app_state import AppState, Json, Views
from services.gateway.api.middleware.auth import IDENTITY
from services.gateway.api.middleware.errors import origin_of
from services.gateway.api.problems import ProblemError, Slug
from services.gateway.commands.accounts import authorize
from services.gateway.domain.accounts import Caller, Resource, Role
from services.gateway.domain.errors import Refusal
from services.gateway.domain.idempotency import StoredResponse, request_fingerprint
from services.gateway.domain.identity import Identity
from services.gateway.domain.timestamps import rfc3339
from services.gateway.store.unit_of_work import Store
from shared.core.ids import is_id
from shared.postgres.pool import Connection

LONGEST_KEY: Final = 255
RETRY_IN_FLIGHT_S: Final = "1"
REPLAYED: Final = "Idempotency-Replayed"


@dataclass(frozen=True)
class Result:
    """A success. `body` None: no content."""

    status: int
    body: Json | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def kept(self, of: str) -> StoredResponse:
        return StoredResponse(of, self.status, self.headers, "" if self.body is None else render_json(self.body))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return rfc3339(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


def render_json(body: Any) -> str:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_plain)


def json_response(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(render_json(body), status, dict(headers or {}), media_type="application/json")


def etag(revision: int) -> dict[str, str]:
    return {"ETag": f'"{revision}"'}


@dataclass(frozen=True)
class UnitOfWork:
    """What a command works with, inside its transaction."""

    store: Store
    views: Views
    connection: Connection
    user_id: str

    async def require_role(self, resource: Resource, resource_id: str, least: Role) -> Caller:
        """Refusal not-found or forbidden."""
        known_id(resource_id)
        return await authorize(self.store, self.user_id, resource, resource_id, least)


def known_id(text: str) -> None:
    """What is no id of ours exists nowhere."""
    if not is_id(text):
        raise ProblemError(Slug.NOT_FOUND)


Effect = Callable[[UnitOfWork], Awaitable[Result]]


class RequestContext:
    """One request of somebody who is signed in: a dependency of nearly every route."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.parts: AppState = request.app.state.gateway
        identity: Identity | None = request.scope.get(IDENTITY)
        if identity is None:
            raise ProblemError(Slug.UNAUTHENTICATED)
        self.identity = identity

    @property
    def user_id(self) -> str:
        return self.identity.user_id

    def doing(self, connection: Connection) -> UnitOfWork:
        links = self.parts.links(self.user_id, origin_of(self.request.scope))
        return UnitOfWork(self.parts.stores(connection), self.parts.views(connection, links), connection, self.user_id)

    async def read(self, look: Callable[[UnitOfWork], Awaitable[Json]]) -> Json:
        async with self.parts.reading() as connection:
            return await look(self.doing(connection))

    async def see(self, resource: Resource, resource_id: str, look: Callable[[Views], Awaitable[Json]]) -> Json:
        """One resource, or something below it, that every member may read."""

        async def allowed(work: UnitOfWork) -> Json:
            await work.require_role(resource, resource_id, Role.VIEWER)
            return await look(work.views)

        return await self.read(allowed)

    async def change(self, effect: Effect) -> Response:
        """A PATCH, PUT or DELETE."""
        return _respond(await self._in_transaction(effect))

    async def command(
        self, effect: Effect, *, then: Callable[[Result], Awaitable[Result]] | None = None, body: bytes | None = None
    ) -> Response:
        """A POST. `then` may wait for a better answer after the commit, or raise a refusal, which is not kept."""
        key = self._key()
        if key is None:
            answer = await self._in_transaction(effect)
            return _respond(await then(answer) if then else answer)
        mark = request_fingerprint(
            self.request.method, self._target(), await self.request.body() if body is None else body
        )
        waiting = (self.user_id, key)
        if waiting in self.parts.waiting:
            raise _in_flight()
        self.parts.waiting.add(waiting)
        try:
            answer = await self._in_transaction(lambda work: self._once(work, key, mark, effect))
            if then is None or REPLAYED in answer.headers:
                return _respond(answer)
            return _respond(await self._better(key, mark, answer, then))
        finally:
            self.parts.waiting.discard(waiting)

    async def _once(self, work: UnitOfWork, key: str, mark: str, effect: Effect) -> Result:
        answers = self.parts.answers
        if not await answers.lock(work.connection, self.user_id, key):
            raise _in_flight()
        kept = await answers.find(work.connection, self.user_id, key)
        if kept is None:
            answer = await effect(work)
            await answers.keep(work.connection, self.user_id, key, answer.kept(mark))
            return answer
        if kept.fingerprint != mark:
            raise ProblemError(Slug.IDEMPOTENCY_MISMATCH, "This Idempotency-Key came with another path or body before.")
        body = json.loads(kept.body) if kept.body else None
        return Result(kept.status, body, {**kept.headers, REPLAYED: "true"})

    async def _better(self, key: str, mark: str, answer: Result, then: Callable[[Result], Awaitable[Result]]) -> Result:
        answers = self.parts.answers
        try:
            final = await then(answer)
        except (ProblemError, Refusal):
            async with self.parts.writing() as connection:
                await answers.forget(connection, self.user_id, key)
            raise
        if final is not answer:
            async with self.parts.writing() as connection:
                await answers.keep(connection, self.user_id, key, final.kept(mark))
        return final

    async def _in_transaction(self, effect: Effect) -> Result:
        """Once more after a deadlock: PostgreSQL picked us to give way."""
        try:
            async with self.parts.writing() as connection:
                return await effect(self.doing(connection))
        except asyncpg.DeadlockDetectedError:
            async with self.parts.writing() as connection:
                return await effect(self.doing(connection))

    def _target(self) -> str:
        url = self.request.url
        return f"{url.path}?{url.query}" if url.query else url.path

    def _key(self) -> str | None:
        key = self.request.headers.get("idempotency-key")
        if key is not None and not (0 < len(key) <= LONGEST_KEY and key.isascii() and key.isprintable()):
            raise ProblemError(Slug.MALFORMED, f"An Idempotency-Key has 1 to {LONGEST_KEY} printable ASCII characters.")
        return key


async def signed_in(request: Request) -> RequestContext:
    return RequestContext(request)


SignedIn = Annotated[RequestContext, Depends(signed_in)]
"""A parameter of every route that needs somebody to be signed in."""


def _in_flight() -> ProblemError:
    return ProblemError(Slug.IDEMPOTENCY_IN_FLIGHT, headers={"Retry-After": RETRY_IN_FLIGHT_S})


def _respond(answer: Result) -> Response:
    if answer.body is None:
        return Response(status_code=answer.status, headers=dict(answer.headers))
    return json_response(answer.body, answer.status, answer.headers)
