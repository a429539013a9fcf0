"""A service's database as it was at an earlier moment, brought forward in this process: no broker, its own handlers."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from faststream.kafka import KafkaRouter

from shared.contracts.base import Event
from shared.contracts.topics import Service
from shared.messaging.consumer import apply_new
from shared.messaging.events import Message, read_message
from shared.messaging.recollection import Recollection, stories
from shared.messaging.routers import handlers_of
from shared.postgres.deferred_writes import DeferredWrites
from shared.postgres.pool import Pool, open_pool, transaction
from tests.support.postgres import Postgres

_COPIES: Final = itertools.count()

Step = Callable[[Pool], Awaitable[object]]


class History(Protocol):
    """What happened to a service; `inputs` are what it has read so far."""

    router: KafkaRouter
    inputs: list[Message[Any]]

    def steps(self) -> Sequence[Step]: ...


@asynccontextmanager
async def copied(postgres: Postgres, url: str) -> AsyncIterator[str]:
    """A copy of the database as it is now. Nobody may be connected to it."""
    name = f"restored_{next(_COPIES)}"
    await postgres._execute(f"create database {name} template {urlsplit(url).path[1:]} strategy file_copy")
    yield postgres.url(name)
    await postgres.drop(postgres.url(name))


async def published(pool: Pool) -> list[Message[Event]]:
    """What is in the outbox, as consumers would read it."""
    rows = await pool.fetch("select topic, headers, body from outbox where body is not null order by id")
    return [
        read_message(r["topic"], [(k, v.encode()) for k, v in r["headers"].items()], r["body"].encode()) for r in rows
    ]


async def consume(pool: Pool, service: Service, router: KafkaRouter, messages: Sequence[Message[Event]]) -> None:
    """One after the other, each in its transaction, those that are new."""
    for message in messages:
        async with transaction(pool) as connection:
            await apply_new(connection, [message], handlers_of(router, service))


async def fold(
    pool: Pool,
    recollection: Recollection,
    own: Sequence[Message[Event]],
    inputs: Sequence[Message[Event]],
    *,
    times: int = 2,
) -> dict[str, str]:
    """As `recover --since` does, twice, because doing it again is harmless. Returns who needs a person."""
    beside = [m for m in inputs if isinstance(m.event, recollection.beside)]
    people: dict[str, str] = {}
    for _ in range(times):
        people.clear()
        for subject, story in stories(own, beside).items():
            async with transaction(pool) as connection:
                writes = DeferredWrites(connection)
                if why := await recollection.fold(writes.as_connection(), story):
                    people[subject] = why
                await writes.flush()
    return people


async def rows(pool: Pool, table: str, *without: str) -> list[Mapping[str, Any]]:
    """All rows in an order that the content gives, without these columns."""
    found = await pool.fetch(f"select to_jsonb(t) - $1::text[] as row from {table} t", list(without))
    return sorted((r["row"] for r in found), key=repr)


async def check_brought_forward(
    postgres: Postgres,
    url: str,
    service: Service,
    history: History,
    recollection: Recollection,
    cut: int,
    state: Callable[[Pool], Awaitable[Mapping[str, Any]]],
) -> None:
    """The database as it was after `cut` steps, brought forward after all of them, is as if nothing had been lost, and
    nothing is published a second time."""
    steps = history.steps()
    async with open_pool(url, size=2) as pool:
        for step in steps[:cut]:
            await step(pool)
    async with copied(postgres, url) as old:
        async with open_pool(url, size=2) as pool:
            for step in steps[cut:]:
                await step(pool)
            own, wanted = await published(pool), await state(pool)
        async with open_pool(old, size=2) as pool:
            assert await fold(pool, recollection, own, history.inputs) == {}
            before = await pool.fetchval("select count(*) from outbox")
            await consume(pool, service, history.router, history.inputs)
            assert await pool.fetchval("select count(*) from outbox") == before, "nothing is done a second time"
            found = await state(pool)
            for what, content in wanted.items():
                assert found[what] == content, what
