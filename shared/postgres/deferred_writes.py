"""Deferred writes: the writes of one transaction are collected and sent in few round trips to PostgreSQL.

The handler of an event writes to five or six tables and reads none of the results; sending each statement by itself
costs about as much again as executing it. `defer` collects a write. All collected writes go out as one statement
(data-modifying CTEs) before the next statement that reads, and before the commit. The parts of one statement all see
the snapshot before it, so it never contains two writes to the same table: the second write flushes the first.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final, cast

import asyncpg

from shared.postgres.pool import Connection

_PARAMETER: Final = re.compile(r"\$(\d+)")


class DeferredWrites:
    """Wraps a connection in a transaction. Its creator calls `flush` before the commit. The methods it shares with
    asyncpg's connection flush before they run."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._pending: dict[str, tuple[str, tuple[Any, ...]]] = {}  # by table

    def as_connection(self) -> Connection:
        """This object, typed as the connection that repositories expect."""
        return cast(Connection, self)

    async def defer(self, table: str, statement: str, *args: Any) -> None:
        """Collects a write to `table`, which is sent with the next flush."""
        if table in self._pending:
            await self.flush()
        self._pending[table] = (statement, args)

    async def flush_with(self, table: str, statement: str, *args: Any) -> list[asyncpg.Record]:
        """Sends this write with the pending ones and returns its rows. It must not depend on a pending write."""
        if table in self._pending:
            await self.flush()
        joined, all_args = self._take((statement, args))
        return list(await self._connection.fetch(joined, *all_args))

    async def flush(self) -> None:
        """Sends the pending writes."""
        if self._pending:
            joined, args = self._take()
            await self._connection.execute(joined, *args)

    def _take(self, *more: tuple[str, tuple[Any, ...]]) -> tuple[str, list[Any]]:
        writes = [*self._pending.values(), *more]
        self._pending.clear()
        counts = tuple(len(args) for _, args in writes)
        return _join(tuple(statement for statement, _ in writes), counts), [a for _, args in writes for a in args]

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str:
        await self.flush()
        return str(await self._connection.execute(query, *args, timeout=timeout))

    async def executemany(self, command: str, args: Any, *, timeout: float | None = None) -> None:
        await self.flush()
        await self._connection.executemany(command, args, timeout=timeout)

    async def fetch(self, query: str, *args: Any, timeout: float | None = None) -> list[asyncpg.Record]:
        await self.flush()
        return list(await self._connection.fetch(query, *args, timeout=timeout))

    async def fetchrow(self, query: str, *args: Any, timeout: float | None = None) -> asyncpg.Record | None:
        await self.flush()
        return await self._connection.fetchrow(query, *args, timeout=timeout)

    async def fetchval(self, query: str, *args: Any, column: int = 0, timeout: float | None = None) -> Any:
        await self.flush()
        return await self._connection.fetchval(query, *args, column=column, timeout=timeout)


async def defer(connection: Connection, table: str, statement: str, *args: Any) -> None:
    """Writes to `table` before the transaction ends and before anything is read on this connection. On a plain
    connection the write is executed now."""
    if isinstance(connection, DeferredWrites):
        await connection.defer(table, statement, *args)
    else:
        await connection.execute(statement, *args)


async def flush_with(connection: Connection, table: str, statement: str, *args: Any) -> list[asyncpg.Record]:
    """Writes to `table` now and returns the rows; must not depend on a write that may be pending."""
    if isinstance(connection, DeferredWrites):
        return await connection.flush_with(table, statement, *args)
    return list(await connection.fetch(statement, *args))


@lru_cache(maxsize=1000)  # there are few combinations: each handler writes in a handful of ways
def _join(statements: tuple[str, ...], counts: tuple[int, ...]) -> str:
    """One statement with the parameters renumbered; its result is that of the last part."""
    parts, offset = [], 0
    for statement, count in zip(statements, counts, strict=True):
        parts.append(_PARAMETER.sub(lambda m, by=offset: f"${int(m[1]) + by}", statement).strip())  # type: ignore[misc]
        offset += count
    *before, last = parts
    if not before:
        return last
    return "with " + ",\n".join(f"w{n} as (\n{part}\n)" for n, part in enumerate(before, 1)) + f"\n{last}"
