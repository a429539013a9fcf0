"""Statements that only differ in their columns. Names come from our code, never from a request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shared.postgres import Connection


async def insert(db: Connection, table: str, values: Mapping[str, Any]) -> None:
    marks = ", ".join(f"${i}" for i in range(1, len(values) + 1))
    await db.execute(f"insert into {table} ({', '.join(values)}) values ({marks})", *values.values())


async def insert_many(db: Connection, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """All rows have the same columns."""
    if rows:
        marks = ", ".join(f"${i}" for i in range(1, len(rows[0]) + 1))
        await db.executemany(f"insert into {table} ({', '.join(rows[0])}) values ({marks})",
                             [tuple(row.values()) for row in rows])


async def update(db: Connection, table: str, key: str, value: str, changes: Mapping[str, Any]) -> None:
    """Sets columns of the row whose `key` is `value`."""
    sets = ", ".join(f"{name} = ${i}" for i, name in enumerate(changes, 2))
    await db.execute(f"update {table} set {sets} where {key} = $1", value, *changes.values())
