"""Which PostgreSQL errors are transient, and transactions that report them as such."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import asyncpg

from shared.core.errors import Retryable
from shared.postgres.pool import Connection, Pool, transaction

UNAVAILABLE: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a pooled connection that broke during a statement, found on its release
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InsufficientResourcesError,  # disk full, out of memory, too many connections
    asyncpg.InvalidCachedStatementError,  # the schema changed under an open connection
    asyncpg.ReadOnlySQLTransactionError,  # a standby, or a primary that is about to be replaced
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.PostgresIOError,
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.QueryCanceledError,
    asyncpg.LockNotAvailableError,
    OSError,
    TimeoutError,
)
"""Raised by asyncpg when the same transaction may succeed a moment later."""


@asynccontextmanager
async def retryable_transaction(pool: Pool) -> AsyncIterator[Connection]:
    """A transaction whose transient errors are raised as Retryable("database_unavailable")."""
    try:
        async with transaction(pool) as connection:
            yield connection
    except UNAVAILABLE as e:
        raise Retryable("database_unavailable", f"The database is unavailable: {e!r}") from e
