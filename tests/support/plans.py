"""How PostgreSQL would execute what a piece of code asks it, on tables of some size."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import asyncpg

from shared.postgres.pool import Connection, Pool

BIG: Final = 2_000  # rows: reading all of a smaller table is cheaper than an index
_EXPLAINED: Final = ("select", "with", "insert", "update", "delete")
_ESTIMATES: Final = "select relname from pg_class where relkind in ('r', 'p') and reltuples >= $1"
_WHOLE_INDEXES: Final = "select indexrelid::regclass::text from pg_index where indpred is null"


async def fill(connection: Connection, table: str, rows: int, **columns: str) -> None:
    """Rows whose columns are these SQL expressions of `i`, which counts from 1. Triggers and foreign keys rest."""
    await connection.execute("set session_replication_role = replica")
    await connection.execute(
        f"insert into {table} ({', '.join(columns)}) select {', '.join(columns.values())} "
        f"from generate_series(1, {rows}) as i",
        timeout=60,
    )
    await connection.execute("set session_replication_role = origin")


def uid(expression: str) -> str:
    """The id of that number, as an SQL expression; the same in every table."""
    return f"lpad(to_hex({expression}), 32, '0')::uuid"


@dataclass
class Recorded:
    """The statements of a connection, each once, with the values they were asked with."""

    statements: dict[str, tuple[Any, ...]] = field(default_factory=dict)

    def note(self, logged: asyncpg.LoggedQuery) -> None:
        if logged.query.lstrip().lower().startswith(_EXPLAINED):
            self.statements.setdefault(logged.query, logged.args)


@contextmanager
def recorded(connection: Connection) -> Iterator[Recorded]:
    found = Recorded()
    connection.add_query_logger(found.note)
    try:
        yield found
    finally:
        connection.remove_query_logger(found.note)


async def reads_by_an_index(connection: Connection, statements: Recorded) -> None:
    """Fails with each statement whose plan may read a whole big table."""
    assert not (found := await whole_reads(connection, statements)), "\n".join(found)


async def whole_reads(connection: Connection, statements: Recorded) -> list[str]:
    """Each statement whose plan may read a whole big table, and the table: in sequence, or in the order of an index
    until enough rows pass a filter."""
    big = {row[0] for row in await connection.fetch(_ESTIMATES, float(BIG))}
    whole = {row[0] for row in await connection.fetch(_WHOLE_INDEXES)}
    assert big, "no table is big: fill and analyze some"
    found = []
    await connection.execute("set random_page_cost = 1.1")  # a disk without a head; and what is larger is chosen so
    for query, values in statements.statements.items():
        plan = await connection.fetchval(f"explain (format json) {query}", *values)
        text = " ".join(query.split())
        found += [
            f"{node['Relation Name']} {how}: {text}"
            for node in _nodes(plan[0]["Plan"])
            if node.get("Relation Name") in big and (how := _reads_all(node, whole))
        ]
    return found


def _reads_all(node: dict[str, Any], whole_indexes: set[str]) -> str | None:
    if node["Node Type"] == "Seq Scan":
        return "in sequence"
    index = node.get("Index Name")
    if index in whole_indexes and "Filter" in node and "Index Cond" not in node:
        return f"in the order of {index}"
    return None


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)


class OneConnection:
    """A pool of one connection, so that everything it is asked can be recorded."""

    def __init__(self, connection: Connection) -> None:
        self.fetch, self.fetchrow = connection.fetch, connection.fetchrow
        self.fetchval, self.execute = connection.fetchval, connection.execute
        self._connection = connection

    @asynccontextmanager
    async def acquire(self, *, timeout: float | None = None) -> AsyncIterator[Connection]:
        yield self._connection


def pool_of(connection: Connection) -> Pool:
    only: Any = OneConnection(connection)
    return only
