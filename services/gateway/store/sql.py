"""Statements that differ only in their columns. Names of tables and columns never come from a request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shared.postgres.deferred_writes import defer
from shared.postgres.pool import Connection


async def insert(db: Connection, table: str, values: Mapping[str, Any]) -> None:
    await db.execute(_insertion(table, values), *values.values())


async def insert_later(db: Connection, table: str, values: Mapping[str, Any]) -> None:
    """Deferred until something reads on this connection, or the commit: see `shared.postgres.deferred_writes`."""
    await defer(db, table, _insertion(table, values), *values.values())


async def insert_many(db: Connection, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """All rows have the same columns."""
    if rows:
        await db.executemany(_insertion(table, rows[0]), [tuple(row.values()) for row in rows])


async def update(db: Connection, table: str, key: str, value: str, changes: Mapping[str, Any]) -> None:
    """Sets columns of the row whose `key` is `value`."""
    await db.execute(_change(table, key, changes), value, *changes.values())


async def update_later(db: Connection, table: str, key: str, value: str, changes: Mapping[str, Any]) -> None:
    """Like `update`, deferred until something reads on this connection, or the commit."""
    await defer(db, table, _change(table, key, changes), value, *changes.values())


def _insertion(table: str, values: Mapping[str, Any]) -> str:
    marks = ", ".join(f"${i}" for i in range(1, len(values) + 1))
    return f"insert into {table} ({', '.join(values)}) values ({marks})"


def _change(table: str, key: str, changes: Mapping[str, Any]) -> str:
    sets = ", ".join(f"{name} = ${i}" for i, name in enumerate(changes, 2))
    return f"update {table} set {sets} where {key} = $1"
