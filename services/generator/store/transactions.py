"""Transactions of workers, who wait until the database is available again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from shared.core.errors import Retryable
from shared.postgres.pool import Connection, Pool, transaction
from shared.postgres.retry import UNAVAILABLE


@asynccontextmanager
async def worker_transaction(pool: Pool) -> AsyncIterator[Connection]:
    """Raises Retryable("database_unavailable") where the same transaction may succeed a moment later."""
    try:
        async with transaction(pool) as connection:
            yield connection
    except UNAVAILABLE as e:
        raise Retryable("database_unavailable", f"The database is unavailable: {e!r}") from e
