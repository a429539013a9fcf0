"""LISTEN on a dedicated connection that is reopened when PostgreSQL restarts or stops answering."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import asyncpg
import structlog
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type

from shared.core.backoff import backoff
from shared.observability.last_said import LastSaid
from shared.postgres.pool import ACQUIRE_TIMEOUT_S
from shared.postgres.retry import UNAVAILABLE

log = structlog.get_logger(__name__)

_CONNECT_ERRORS: Final = (*UNAVAILABLE, asyncpg.PostgresError)
HEARTBEAT_S: Final = 10.0  # a server that vanished without a word is noticed by the next query
HEARTBEAT_TIMEOUT_S: Final = 5.0
KEEPALIVE: Final = {"tcp_keepalives_idle": "5", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3"}
"""Lets the server end the session of a client that vanished, after about 20 seconds."""
FIRST_DELAY_S: Final = 0.1
LONGEST_DELAY_S: Final = 5.0


class Listener:
    """LISTENs on a direct connection and reconnects until it is closed.

    `on_notify(channel, payload)` runs in the event loop. After every (re)connection it is called once per channel with
    an empty payload, because notifications in the meantime were missed.
    """

    def __init__(
        self,
        url: str,
        on_notify: Callable[[str, str], None],
        *channels: str,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._url = url
        self._on_notify = on_notify
        self._channels = channels
        self._sleep = sleep
        self._said = LastSaid()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Listener:
        self._task = asyncio.create_task(self._run(), name="postgres-listener")
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            connection = await self._connect()
            with suppress(*_CONNECT_ERRORS):
                await self._listen_until_closed(connection)

    async def _connect(self) -> asyncpg.Connection:
        retrying = AsyncRetrying(
            sleep=self._sleep,
            wait=backoff(FIRST_DELAY_S, LONGEST_DELAY_S),
            retry=retry_if_exception_type(_CONNECT_ERRORS),
            before_sleep=self._failed,
        )
        connection: asyncpg.Connection = await retrying(
            asyncpg.connect, self._url, timeout=ACQUIRE_TIMEOUT_S, server_settings=KEEPALIVE
        )
        self._said.is_over()
        return connection

    def _failed(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if self._said.is_news(repr(error)):
            log.warning("listener.connect_failed", error=repr(error))

    async def _listen_until_closed(self, connection: asyncpg.Connection) -> None:
        closed = asyncio.Event()
        connection.add_termination_listener(lambda *_: closed.set())
        try:
            for channel in self._channels:
                await connection.add_listener(channel, lambda _c, _pid, ch, payload: self._on_notify(ch, payload))
                self._on_notify(channel, "")
            while not closed.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(HEARTBEAT_S):
                        await closed.wait()
                        return
                await connection.execute("select 1", timeout=HEARTBEAT_TIMEOUT_S)
        finally:
            if not connection.is_closed():
                connection.terminate()
