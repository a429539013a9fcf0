"""`@idempotent`: a POST with an Idempotency-Key has its effect once, and a repeat gets the first response again.

The response is stored in the transaction of its effect, under the user and the key. Refusals are not stored. A request
with several transactions stores the result of each (`in_steps`), so that a repeat continues where it was interrupted.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from services.gateway.api.await_commit import retry_after_commit
from services.gateway.api.context import RequestContext, UnitOfWork
from services.gateway.api.headers import Prefer, Preference
from services.gateway.api.problems import ProblemError
from services.gateway.api.responses import Result
from services.gateway.api.transactions import DryRun, Endpoint, Route, endpoint
from services.gateway.domain.errors import Refusal
from services.gateway.domain.idempotency import StoredResponse, request_fingerprint
from services.gateway.domain.problems import Slug
from services.gateway.store import idempotency as stored
from shared.contracts.messages import message

LONGEST_KEY: Final = 255
RETRY_IN_FLIGHT_S: Final = "1"
REPLAYED: Final = "Idempotency-Replayed"

_BEGUN: Final = 0  # in place of a status: the request has begun, and its response is not stored yet
_STEP: Final = "\n"  # between the key and the number of a step: no client's key contains it

Effect = Callable[[UnitOfWork], Awaitable[Result]]
Wait = Callable[[RequestContext, Preference, Result], Awaitable[Result]]
"""Waits after the commit for a better result than 202; gives back the same one if there is none. A problem that it
raises is the response, and nothing stays stored under the key."""


def idempotent(wait: Wait | None = None) -> Callable[[Route], Endpoint]:
    """Makes a route (see `transactional`) an idempotent POST. With `wait` it also takes `Prefer`."""

    def decorate(route: Route) -> Endpoint:
        async def run(context: RequestContext, effect: Effect) -> Response:
            return await retry_after_commit(context, lambda: run_once(context, effect))

        async def run_and_wait(context: RequestContext, effect: Effect, prefer: Preference) -> Response:
            return await retry_after_commit(context, lambda: run_once(context, effect, wait=wait, prefer=prefer))

        return endpoint(route, run) if wait is None else endpoint(route, run_and_wait, prefer=Prefer)

    return decorate


async def run_once(
    context: RequestContext,
    effect: Effect,
    *,
    wait: Wait | None = None,
    prefer: Preference | None = None,
    body: bytes | None = None,
) -> Response:
    """The response of `effect`, or the stored one; of a DryRun its result, and nothing is stored. `body` identifies a
    request body that was streamed elsewhere.

    Raises ProblemError: malformed (the key), idempotency-in-flight, idempotency-mismatch.
    """
    try:
        return await _run_once(context, effect, wait, prefer or Preference(None), body)
    except DryRun as tried:
        return tried.result.response()


async def _run_once(
    context: RequestContext, effect: Effect, wait: Wait | None, prefer: Preference, body: bytes | None
) -> Response:
    key = _key(context.request)
    if key is None:
        result = await context.transaction(effect)
        return (await wait(context, prefer, result) if wait else result).response()
    mark = await _fingerprint(context, body)
    with _alone(context, key):
        result = await context.transaction(lambda work: _find_or_run(work, key, mark, effect))
        if wait is None or REPLAYED in result.headers:
            return result.response()
        return (await _wait(context, prefer, key, mark, result, wait)).response()


@contextmanager
def _alone(context: RequestContext, key: str) -> Iterator[None]:
    """Raises ProblemError idempotency-in-flight if this process executes a request with this key."""
    in_flight = context.state.keys_in_flight
    if (context.user_id, key) in in_flight:
        raise _in_flight()
    in_flight.add((context.user_id, key))
    try:
        yield
    finally:
        in_flight.discard((context.user_id, key))


async def _fingerprint(context: RequestContext, body: bytes | None = None) -> str:
    content = await context.request.body() if body is None else body
    return request_fingerprint(context.request.method, _target(context.request), content)


@dataclass(frozen=True)
class Steps:
    """A request with several transactions, each of which has its effect once per key. `replay`: the stored response of
    a request that was completed before."""

    _context: RequestContext
    _key: str | None = None
    _mark: str = ""
    replay: Result | None = None

    async def run(self, number: int, effect: Effect) -> Result:
        """The result of `effect` in a transaction of its own, or its stored one. Refusals are raised, not stored."""
        if self._key is None:
            return await self._context.transaction(effect)
        key = f"{self._key}{_STEP}{number}"
        return await self._context.transaction(lambda work: _find_or_run(work, key, self._mark, effect))

    async def complete(self, result: Result) -> None:
        """Stores the response of the whole request."""
        if self._key is not None:
            async with self._context.state.transaction() as connection:
                await stored.keep(connection, self._context.user_id, self._key, _kept(self._mark, result))


@asynccontextmanager
async def in_steps(context: RequestContext) -> AsyncIterator[Steps]:
    """Raises ProblemError: malformed (the key), idempotency-in-flight, idempotency-mismatch."""
    key = _key(context.request)
    if key is None:
        yield Steps(context)
        return
    mark = await _fingerprint(context)
    with _alone(context, key):
        begun = await context.transaction(lambda work: _find_or_run(work, key, mark, _begin))
        yield Steps(context, key, mark, None if begun.status == _BEGUN else begun)


async def _begin(_work: UnitOfWork) -> Result:
    return Result(_BEGUN)


async def _find_or_run(work: UnitOfWork, key: str, mark: str, effect: Effect) -> Result:
    if not await stored.lock(work.connection, work.user_id, key):
        raise _in_flight()
    found = await stored.find(work.connection, work.user_id, key)
    if found is None:
        result = await effect(work)
        await stored.keep(work.connection, work.user_id, key, _kept(mark, result))
        return result
    if found.fingerprint != mark:
        raise ProblemError(Slug.IDEMPOTENCY_MISMATCH, message("problem.idempotency_mismatch"))
    return Result(found.status, found.body or None, {**found.headers, REPLAYED: "true"})


async def _wait(context: RequestContext, prefer: Preference, key: str, mark: str, result: Result, wait: Wait) -> Result:
    try:
        final = await wait(context, prefer, result)
    except (ProblemError, Refusal):
        async with context.state.transaction() as connection:
            await stored.forget(connection, context.user_id, key)
        raise
    if final is not result:
        async with context.state.transaction() as connection:
            await stored.keep(connection, context.user_id, key, _kept(mark, final))
    return final


def _kept(mark: str, result: Result) -> StoredResponse:
    return StoredResponse(mark, result.status, result.headers, result.text)


def _target(request: Request) -> str:
    return f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path


def _key(request: Request) -> str | None:
    key = request.headers.get("idempotency-key")
    if key is not None and not (0 < len(key) <= LONGEST_KEY and key.isascii() and key.isprintable()):
        raise ProblemError(Slug.MALFORMED, message("problem.idempotency_key_malformed", longest=LONGEST_KEY))
    return key


def _in_flight() -> ProblemError:
    return ProblemError(Slug.IDEMPOTENCY_IN_FLIGHT, headers={"Retry-After": RETRY_IN_FLIGHT_S})
