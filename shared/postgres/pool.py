"""PostgreSQL: a pool with our codecs, and a listener on a connection of its own that survives restarts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import asyncpg
import structlog
from asyncpg.pool import PoolConnectionProxy

log = structlog.get_logger(__name__)

Pool = asyncpg.Pool
Connection = asyncpg.Connection | PoolConnectionProxy

COMMAND_TIMEOUT_S: Final = 15.0  # bounds a request that meets a held lock; the caller answers 503
ACQUIRE_TIMEOUT_S: Final = 5.0
WARM: Final = 3  # connections that are open from the start: opening one takes longer than most transactions
IDLE_S: Final = 1800.0
# A process that is paused in the middle of a transaction lets go of its locks before its leases end (jobs.LEASE_S).
IDLE_IN_TRANSACTION_S: Final = 10.0

_ARRAYS: Final = "select $1::uuid[], $2::text[], $3::jsonb[], $4::boolean[]"

UNAVAILABLE: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a pooled connection that was cut in the middle of something, met on its release
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.QueryCanceledError,
    asyncpg.LockNotAvailableError,
    OSError,
    TimeoutError,
)
"""What PostgreSQL raises when the same transaction may well succeed a moment later."""


async def _codecs(connection: Any) -> None:
    for name in ("json", "jsonb"):
        await connection.set_type_codec(name, encoder=_dump, decoder=json.loads, schema="pg_catalog")
    await connection.set_type_codec("uuid", encoder=str, decoder=str, schema="pg_catalog")
    await connection.prepare(_ARRAYS)  # the driver looks these types up now, and not within somebody's request


async def _as_it_is(_: Any) -> None:
    """Nothing of ours outlives its transaction, so that a connection needs no round trip to be used again. (asyncpg
    itself has rolled back what was left open.) Session locks and LISTEN belong on direct connections."""


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@asynccontextmanager
async def open_pool(url: str, *, size: int = 10, application: str = "retake") -> AsyncIterator[Pool]:
    """A pool whose uuid columns are strings and whose json columns are Python values."""
    async with asyncpg.create_pool(
        url,
        min_size=min(WARM, size),
        max_size=size,
        init=_codecs,
        reset=_as_it_is,
        max_inactive_connection_lifetime=IDLE_S,
        command_timeout=COMMAND_TIMEOUT_S,
        timeout=ACQUIRE_TIMEOUT_S,
        server_settings={
            "application_name": application,
            "timezone": "UTC",
            "idle_in_transaction_session_timeout": str(int(IDLE_IN_TRANSACTION_S * 1000)),
        },
    ) as pool:
        yield pool


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[Connection]:
    """One connection, one transaction; waits a bounded time for a free connection."""
    async with pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection, connection.transaction():
        yield connection


class Listener:
    """LISTENs on a direct connection and reconnects for ever.

    `on_notify(channel, payload)` runs in the event loop; after every (re)connect it is called once per channel
    with an empty payload, because whatever was notified in between was missed.
    """

    def __init__(self, url: str, on_notify: Callable[[str, str], None], *channels: str) -> None:
        self._url = url
        self._on_notify = on_notify
        self._channels = channels
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
        delay = 0.1
        while True:
            try:
                connection = await asyncpg.connect(self._url, timeout=ACQUIRE_TIMEOUT_S)
            except (*UNAVAILABLE, asyncpg.PostgresError) as e:
                log.warning("listener.connect_failed", error=str(e), retry_in_s=delay)
                await asyncio.sleep(delay)
                delay = min(delay * 2, 5.0)
                continue
            delay = 0.1
            with suppress(*UNAVAILABLE, asyncpg.PostgresError):
                await self._listen_until_closed(connection)

    async def _listen_until_closed(self, connection: asyncpg.Connection) -> None:
        closed = asyncio.Event()
        connection.add_termination_listener(lambda *_: closed.set())
        try:
            for channel in self._channels:
                await connection.add_listener(channel, lambda _c, _pid, ch, payload: self._on_notify(ch, payload))
                self._on_notify(channel, "")
            await closed.wait()
        finally:
            if not connection.is_closed():
                connection.terminate()
