"""Writes of one transaction that wait for each other, so that several take one round trip to PostgreSQL.

A handler of an event writes to five or six tables and looks at no result; each statement sent by itself costs about as
much again as what it does. `later` keeps a write back; everything that waits goes out as one statement (data-modifying
CTEs) before the next statement that reads, and before the commit. All parts of one statement see what was there before
it, so that it never holds two writes to one table: the second sends the first on its way.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final, cast

import asyncpg

from shared.postgres.pool import Connection

_PARAMETER: Final = re.compile(r"\$(\d+)")


class Writes:
    """Stands for a connection in a transaction. Whoever makes one calls `flush` before the commit; what it offers of
    asyncpg's connection sends first what waits."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._waiting: dict[str, tuple[str, tuple[Any, ...]]] = {}  # by table

    def as_connection(self) -> Connection:
        """For adapters, which see no difference."""
        return cast(Connection, self)

    async def later(self, table: str, statement: str, *args: Any) -> None:
        if table in self._waiting:
            await self.flush()
        self._waiting[table] = (statement, args)

    async def along(self, table: str, statement: str, *args: Any) -> list[asyncpg.Record]:
        """A write whose rows are needed now: what waits goes with it, and it must not depend on that."""
        if table in self._waiting:
            await self.flush()
        joined, all_args = self._take((statement, args))
        return list(await self._connection.fetch(joined, *all_args))

    async def flush(self) -> None:
        if self._waiting:
            joined, args = self._take()
            await self._connection.execute(joined, *args)

    def _take(self, *more: tuple[str, tuple[Any, ...]]) -> tuple[str, list[Any]]:
        writes = [*self._waiting.values(), *more]
        self._waiting.clear()
        counts = tuple(len(args) for _, args in writes)
        return _joined(tuple(statement for statement, _ in writes), counts), [a for _, args in writes for a in args]

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


async def later(connection: Connection, table: str, statement: str, *args: Any) -> None:
    """Writes to `table` at some time before the transaction ends, and before anything reads on this connection. On a
    plain connection: now."""
    if isinstance(connection, Writes):
        await connection.later(table, statement, *args)
    else:
        await connection.execute(statement, *args)


async def along(connection: Connection, table: str, statement: str, *args: Any) -> list[asyncpg.Record]:
    """Writes to `table` now and returns the rows; must not depend on a write that may wait."""
    if isinstance(connection, Writes):
        return await connection.along(table, statement, *args)
    return list(await connection.fetch(statement, *args))


@lru_cache(maxsize=1000)  # few handlers, and each writes in few ways
def _joined(statements: tuple[str, ...], counts: tuple[int, ...]) -> str:
    """Their parameters are counted through; the last one's result is that of the whole."""
    parts, offset = [], 0
    for statement, count in zip(statements, counts, strict=True):
        parts.append(_PARAMETER.sub(lambda m, by=offset: f"${int(m[1]) + by}", statement).strip())  # type: ignore[misc]
        offset += count
    *before, last = parts
    if not before:
        return last
    return "with " + ",\n".join(f"w{n} as (\n{part}\n)" for n, part in enumerate(before, 1)) + f"\n{last}"
