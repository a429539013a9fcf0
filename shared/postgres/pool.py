"""PostgreSQL connections: a pool with the project's codecs and timeouts, and transactions."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from asyncpg.transaction import Transaction

Pool = asyncpg.Pool
Connection = asyncpg.Connection | PoolConnectionProxy

COMMAND_TIMEOUT_S: Final = 15.0  # bounds a request that waits for a row lock; the API answers 503
ACQUIRE_TIMEOUT_S: Final = 5.0
MIN_SIZE: Final = 3  # connections opened at start: opening one takes longer than most transactions
IDLE_S: Final = 1800.0
# The server releases the locks of a process that is paused within a transaction before its job leases end (LEASE_S).
IDLE_IN_TRANSACTION_S: Final = 10.0

_BOUND: Final = f"set local idle_in_transaction_session_timeout = {int(IDLE_IN_TRANSACTION_S * 1000)}"
_ARRAYS: Final = "select $1::uuid[], $2::text[], $3::jsonb[], $4::boolean[]"


async def _codecs(connection: Any) -> None:
    for name in ("json", "jsonb"):
        await connection.set_type_codec(name, encoder=_dump, decoder=json.loads, schema="pg_catalog")
    await connection.set_type_codec("uuid", encoder=str, decoder=str, schema="pg_catalog")
    await connection.prepare(_ARRAYS)  # the driver looks these types up now, and not during a request


async def _no_reset(_: Any) -> None:
    """No session state outlives its transaction, so a connection returns to the pool without a round trip. (asyncpg has
    rolled back an open transaction.) Session locks and LISTEN need a direct connection, see `listener`."""


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class _BoundedTransaction(Transaction):
    """Sets its own timeout: a pooler refuses it as a parameter of the session."""

    _connection: asyncpg.Connection

    async def start(self) -> None:
        nested = self._connection.is_in_transaction()
        await super().start()
        if not nested:
            await self._connection.execute(_BOUND)


class _BehindPooler(asyncpg.Connection):
    """In transaction mode each transaction may run in another session of the server."""

    def transaction(self, **options: Any) -> Transaction:
        options = {"isolation": None, "readonly": False, "deferrable": False} | options
        return _BoundedTransaction(self, options["isolation"], options["readonly"], options["deferrable"])


@asynccontextmanager
async def open_pool(
    url: str, *, size: int = 10, at_start: int = MIN_SIZE, application: str = "retake", behind_pooler: bool = False
) -> AsyncIterator[Pool]:
    """A pool whose uuid columns are strings and whose json columns are Python values. `at_start` of its `size`
    connections are opened now, the others when they are needed.

    `behind_pooler`: the URL leads through PgBouncer (1.21 or newer, `max_prepared_statements` above 0) or its like,
    also in transaction mode.
    """
    bound = {} if behind_pooler else {"idle_in_transaction_session_timeout": str(int(IDLE_IN_TRANSACTION_S * 1000))}
    async with asyncpg.create_pool(
        url,
        connection_class=_BehindPooler if behind_pooler else asyncpg.Connection,
        min_size=min(at_start, size),
        max_size=size,
        init=_codecs,
        reset=_no_reset,
        max_inactive_connection_lifetime=IDLE_S,
        command_timeout=COMMAND_TIMEOUT_S,
        timeout=ACQUIRE_TIMEOUT_S,
        server_settings={"application_name": application, "timezone": "UTC"} | bound,
    ) as pool:
        yield pool


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[Connection]:
    """One connection, one transaction; waits a bounded time for a free connection."""
    async with pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection, connection.transaction():
        yield connection
