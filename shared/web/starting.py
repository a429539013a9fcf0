"""A service from the start of its process on: it says that it is alive, and what it waits for until it is ready.

Whatever a restart would only find again (no database, a wrong password, an old schema, a bucket that is not there) is
waited for in the running process. What no waiting can mend ends it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from typing import Final, Generic, Self, TypeVar

import asyncpg
import structlog
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type

from shared.contracts.topics import Service
from shared.core.backoff import backoff
from shared.core.errors import DependencyMissing, RetakeError, Retryable
from shared.observability.last_said import LastSaid
from shared.postgres.retry import UNAVAILABLE
from shared.web.health import Health, problem_check

log = structlog.get_logger(__name__)

HEAD_START_S: Final = 2.0
"""How long the server does not listen while nothing is known to be missing: whoever connects is answered by a service
that works, a moment later. A probe of liveness waits longer."""
FIRST_DELAY_S: Final = 0.2
LONGEST_DELAY_S: Final = 5.0
WORTH_WAITING: Final = (Retryable, asyncpg.PostgresError, *UNAVAILABLE)

T = TypeVar("T")


class Starting(Generic[T]):
    """Keeps trying to enter `wire` until it succeeds, and leaves it at the end. Use as a context.

    `state` is what `wire` gave, or None. `failure` is set if the service can never start so.
    """

    def __init__(
        self,
        service: Service,
        wire: Callable[[], AbstractAsyncContextManager[T]],
        *,
        health_of: Callable[[T], Health],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._service = service
        self._wire = wire
        self._health_of = health_of
        self._sleep = sleep
        self._missing = ("starting", "has just begun")
        self._said = LastSaid()
        self._something_is_known = asyncio.Event()
        self._ending = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.state: T | None = None
        self.failure: Exception | None = None

    async def __aenter__(self) -> Self:
        """Returns when the service works, or knows what it waits for, at the latest after `HEAD_START_S`."""
        self._task = asyncio.create_task(self._run(), name="starting")
        with suppress(TimeoutError):
            async with asyncio.timeout(HEAD_START_S):
                await self._something_is_known.wait()
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.drain()
        assert self._task is not None, "it has been entered"
        with suppress(asyncio.CancelledError):
            await self._task

    @property
    def health(self) -> Health:
        """Of the service; until it works, with the one check that fails."""
        if self.state is not None:
            return self._health_of(self.state)
        name, problem = self._missing
        return Health(self._service, {name: problem_check(lambda: problem)}, draining=self._ending.is_set())

    def drain(self) -> None:
        """Ends readiness, or the waiting."""
        self._ending.set()
        self._something_is_known.set()
        if self.state is not None:
            self.health.draining = True
        elif self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        """One task enters `wire` and leaves it, as what is in there may require."""
        try:
            async with AsyncExitStack() as stack:
                self.state = await self._enter(stack)
                if self._said.is_over():
                    log.info("service.started")
                self._something_is_known.set()
                await self._ending.wait()
        except Exception as error:
            if self._ending.is_set():
                raise
            self._fail(error)

    async def _enter(self, stack: AsyncExitStack) -> T:
        retrying = AsyncRetrying(
            sleep=self._sleep,
            wait=backoff(FIRST_DELAY_S, LONGEST_DELAY_S),
            retry=retry_if_exception_type(WORTH_WAITING),
            before_sleep=self._waits,
        )

        async def attempt() -> T:
            return await stack.enter_async_context(self._wire())

        return await retrying(attempt)

    def _waits(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        self._missing = dependency, problem = _missing(error)
        if self._said.is_news(problem):
            log.warning("service.waits", dependency=dependency, error=problem)
        self._something_is_known.set()

    def _fail(self, error: Exception) -> None:
        self.state, self.failure = None, error
        if isinstance(error, RetakeError):
            self._missing = "starting", _words(error)
            log.error("service.refused", code=error.code, error=_words(error))
        else:
            self._missing = "starting", repr(error)
            log.error("service.crashed", exc_info=error)
        self._something_is_known.set()


def _missing(error: BaseException | None) -> tuple[str, str]:
    """Which check of readiness fails, and its problem."""
    match error:
        case DependencyMissing():
            return error.dependency, _words(error)
        case RetakeError():
            return "starting", _words(error)
        case _:  # the database, after it had been found
            return "database", repr(error)


def _words(error: RetakeError) -> str:
    return f"{error.cause} {error.recovery}".rstrip()
