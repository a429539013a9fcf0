"""Writes that wait for each other: what a transaction leaves is the same as if each had gone out by itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from shared.postgres.deferred_writes import DeferredWrites, defer, flush_with
from shared.postgres.pool import Pool, open_pool, transaction

ADD = "insert into {} (n, text) values ($1, $2)"


class Counted:
    """A connection that counts its round trips."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.sent: list[str] = []

    def __getattr__(self, name: str) -> Any:
        called = getattr(self._connection, name)

        async def counted(query: str, *args: Any, **more: Any) -> Any:
            self.sent.append(query)
            return await called(query, *args, **more)

        return counted


@pytest_asyncio.fixture
async def pool(fresh_database: Callable[[str], Awaitable[str]]) -> AsyncIterator[Pool]:
    async with open_pool(await fresh_database("review"), size=2) as opened:
        for name in ("a", "b"):
            await opened.execute(f"create table {name} (id serial, n integer unique, text text)")
        yield opened


async def rows(pool: Pool, table: str) -> list[tuple[int, str]]:
    return [(r["n"], r["text"]) for r in await pool.fetch(f"select n, text from {table} order by id")]


async def test_writes_to_several_tables_take_one_round_trip(pool: Pool) -> None:
    async with transaction(pool) as connection:
        counted = Counted(connection)
        writes = DeferredWrites(counted)  # type: ignore[arg-type]
        await defer(writes.as_connection(), "a", ADD.format("a"), 1, "one")
        await defer(writes.as_connection(), "b", ADD.format("b"), 2, "two $1")
        assert counted.sent == []
        await writes.flush()
        await writes.flush()
    assert len(counted.sent) == 1
    assert await rows(pool, "a") == [(1, "one")]
    assert await rows(pool, "b") == [(2, "two $1")]


async def test_a_table_is_written_in_the_order_of_the_calls(pool: Pool) -> None:
    async with transaction(pool) as connection:
        writes = DeferredWrites(connection)
        await writes.defer("a", ADD.format("a"), 1, "old")
        await writes.defer("b", ADD.format("b"), 1, "b")
        await writes.defer("a", "update a set text = text || $2 where n = $1", 1, " and new")
        await writes.defer("a", ADD.format("a"), 2, "next")
        await writes.flush()
    assert await rows(pool, "a") == [(1, "old and new"), (2, "next")]


async def test_whoever_reads_sees_what_was_written_before(pool: Pool) -> None:
    async with transaction(pool) as connection:
        writes = DeferredWrites(connection)
        for n, read in enumerate([writes.fetchval, writes.fetchrow, writes.fetch]):
            await writes.defer("a", ADD.format("a"), n, "x")
            assert await read("select count(*) from a having count(*) = $1", n + 1)
        await writes.defer("b", "insert into b (n) select n from a")
        assert await writes.execute("update b set text = 'seen'") == "UPDATE 3"
        await writes.defer("a", "delete from a")
        await writes.executemany(ADD.format("a"), [(0, "after the deletion")])
    assert await rows(pool, "a") == [(0, "after the deletion")]


async def test_a_write_with_an_answer_takes_those_that_wait_along(pool: Pool) -> None:
    async with transaction(pool) as connection:
        counted = Counted(connection)
        writes = DeferredWrites(counted)  # type: ignore[arg-type]
        await writes.defer("a", ADD.format("a"), 1, "waits")
        found = await flush_with(writes.as_connection(), "b", ADD.format("b") + " returning n, text", 7, "answers")
        assert [tuple(r) for r in found] == [(7, "answers")]
        assert len(counted.sent) == 1
        await flush_with(writes.as_connection(), "b", "update b set n = 8 where n = $1 returning n", 7)
    assert await rows(pool, "a") == [(1, "waits")]
    assert await rows(pool, "b") == [(8, "answers")]


async def test_a_write_that_fails_takes_the_transaction_with_it(pool: Pool) -> None:
    async def twice() -> None:
        async with transaction(pool) as connection:
            writes = DeferredWrites(connection)
            await writes.defer("b", ADD.format("b"), 1, "gone")
            await writes.defer("a", ADD.format("a"), 1, "x")
            await writes.defer("a", ADD.format("a"), 1, "twice")
            await writes.flush()

    with pytest.raises(asyncpg.UniqueViolationError):
        await twice()
    assert await rows(pool, "a") == await rows(pool, "b") == []


async def test_a_plain_connection_writes_at_once(pool: Pool) -> None:
    async with transaction(pool) as connection:
        await defer(connection, "a", ADD.format("a"), 1, "now")
        assert await connection.fetchval("select text from a") == "now"
        assert [r["n"] for r in await flush_with(connection, "a", "update a set n = 2 returning n")] == [2]
