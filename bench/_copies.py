"""Copies of a project in the gateway's database, so that it holds many without each being made."""

from __future__ import annotations

from typing import Final

import asyncpg

TABLES: Final = (
    "projects", "members", "episodes", "segments", "assets", "runs", "run_steps", "versions", "reviews",
)  # fmt: skip
_COLUMNS: Final = """
    select column_name, udt_name from information_schema.columns
    where table_schema = 'public' and table_name = $1 and is_identity = 'NO' and is_generated = 'NEVER'
    order by ordinal_position
"""


async def copy_project(connection: asyncpg.Connection, project: str, copies: int) -> list[str]:
    """Returns the ids of the copies. Every id in a row becomes another one, the same for the same original."""
    for table in TABLES:
        columns = {row["column_name"]: row["udt_name"] for row in await connection.fetch(_COLUMNS, table)}
        values = [_copied(name, kind) for name, kind in columns.items()]
        copied = f"select {', '.join(values)} from {table} o cross join generate_series(1, $2::integer) k"
        statement = f"insert into {table} ({', '.join(columns)}) {copied} where o.project_id = $1"
        await connection.execute(statement, project, copies, timeout=600)
    await connection.execute("analyze")
    rows = await connection.fetch(
        "select md5($1 || k)::uuid::text as id from generate_series(1, $2::integer) k", project, copies
    )
    return [row["id"] for row in rows]


def _copied(column: str, kind: str) -> str:
    match kind:
        case "uuid":
            return f"md5(o.{column}::text || k)::uuid"
        case "_uuid":
            return f"(select coalesce(array_agg(md5(u::text || k)::uuid), '{{}}') from unnest(o.{column}) u)"
        case _:
            return f"o.{column}"
