"""The relay: publishes what is waiting in the outbox, in order, in one flush, then marks it while the next goes out.

One is active per database (advisory lock on a direct connection); NOTIFY wakes it. A crash between produce and mark
publishes again, with the same event id: at least once. When the broker's cluster id is not the one that the rows went
to, the broker lost its data and everything that is replayed goes out again.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

import asyncpg
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from prometheus_client import Counter, Gauge

from shared.contracts.topics import TOPICS
from shared.core.clock import Clock
from shared.messaging.backpressure import Backpressure
from shared.messaging.broker import EMBEDDED_UNREAD_BYTES, Broker, cluster_id, start_until_reachable
from shared.postgres.retry import UNAVAILABLE

log = structlog.get_logger(__name__)

BATCH_ROWS: Final = 2000
FLUSH_ROWS: Final = 1000
FLUSH_BYTES: Final = EMBEDDED_UNREAD_BYTES  # what the embedded broker surely keeps; a real one does not mind
MAX_DELAY_S: Final = 5.0
POLL_S: Final = 1.0  # a missed NOTIFY costs at most this
LOCK_KEY: Final = 0x52455441  # "RETA"
NOT_REPLAYED: Final = [t.name for t in TOPICS.values() if not t.replayed]
REPLAY_DAYS: Final = 7
CLUSTER_CHECK_S: Final = 15.0  # an idle producer reconnects to a wiped broker without a word

PUBLISHED = Counter("retake_outbox_published_total", "Rows published", ["service"])
WAITING = Gauge("retake_outbox_waiting", "Rows taken in the last flush", ["service"])
UP = Gauge("retake_relay_up", "1 while this process publishes or stands by without error", ["service"])

_TAKE: Final = """
    select id, topic, key, headers, body from outbox where published_at is null order by id limit $1
"""
_MARK: Final = "update outbox set published_at = now() where id = any($1::bigint[])"
_REPLAY: Final = """
    update outbox set published_at = null
    where published_at is not null and topic <> all($1::text[]) and topic not like '%.dlq'
      and (created_at > now() - make_interval(days => $2)
           or id in (select max(id) from outbox where topic = 'complete' group by key))
"""


class Relay:
    """`problem` says why nothing goes out, or None."""

    def __init__(self, broker: Broker, database_url: str, *, clock: Clock) -> None:
        self._broker = broker
        self._url = database_url
        self._clock = clock
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.problem: str | None = "not started"

    async def __aenter__(self) -> Relay:
        self._task = asyncio.create_task(self._run(), name="relay")
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        delay = 0.1
        while True:
            try:
                await self._publish_while_connected()
            except (*UNAVAILABLE, asyncpg.PostgresError, KafkaError) as e:
                self._failed(repr(e))
                log.warning("relay.restarts", error=repr(e), retry_in_s=delay)
                await asyncio.sleep(delay)
                delay = min(delay * 2, MAX_DELAY_S)
            except Exception as e:  # whatever it is, a relay that is gone for good helps nobody
                self._failed(repr(e))
                log.exception("relay.restarts", retry_in_s=MAX_DELAY_S)
                await asyncio.sleep(MAX_DELAY_S)
            else:
                delay = 0.1

    def _failed(self, why: str) -> None:
        self.problem = why
        UP.labels(self._broker.service).set(0)

    def _works(self) -> None:
        self.problem = None
        UP.labels(self._broker.service).set(1)

    async def _publish_while_connected(self) -> None:
        connection = await asyncpg.connect(self._url, timeout=5, command_timeout=60)
        try:
            await connection.set_type_codec("jsonb", encoder=str, decoder=_loads, schema="pg_catalog")
            await self._become_active(connection)
            await connection.add_listener("outbox", lambda *_: self._wake.set())
            connection.add_termination_listener(lambda *_: self._wake.set())
            producer = await start_until_reachable(self._broker.producer, what="producer")
            try:
                await self._replay_if_lost(connection)
                await self._publish(connection, producer)
            finally:
                with suppress(KafkaError, OSError):
                    await producer.stop()
        finally:
            connection.terminate()

    async def _become_active(self, connection: asyncpg.Connection) -> None:
        while not await connection.fetchval("select pg_try_advisory_lock($1)", LOCK_KEY):
            self._works()  # standing by
            await asyncio.sleep(POLL_S)

    async def _replay_if_lost(self, connection: asyncpg.Connection) -> None:
        found = await cluster_id(self._broker)
        known = await connection.fetchval("select cluster_id from broker")
        if known == found:
            return
        async with connection.transaction():
            if known is not None:
                done = await connection.execute(_REPLAY, NOT_REPLAYED, REPLAY_DAYS, timeout=600)
                log.warning("relay.replays", was=known, cluster=found, rows=done.split()[-1])
            await connection.execute(
                """insert into broker (cluster_id) values ($1)
                   on conflict (one) do update set cluster_id = $1, seen_at = now()""",
                found,
            )

    async def _publish(self, connection: asyncpg.Connection, producer: AIOKafkaProducer) -> None:
        backpressure = Backpressure(self._broker, EMBEDDED_UNREAD_BYTES) if self._broker.embedded else None
        checked = self._clock.monotonic()
        while True:
            if self._clock.monotonic() - checked > CLUSTER_CHECK_S:
                await self._replay_if_lost(connection)
                checked = self._clock.monotonic()
            self._wake.clear()
            rows = await connection.fetch(_TAKE, BATCH_ROWS)
            WAITING.labels(self._broker.service).set(len(rows))
            await self._send_all(connection, producer, rows, backpressure)
            self._works()
            if len(rows) < BATCH_ROWS:
                with suppress(TimeoutError):
                    async with asyncio.timeout(POLL_S):  # wait_for can swallow a cancellation before 3.12
                        await self._wake.wait()

    async def _send_all(
        self,
        connection: asyncpg.Connection,
        producer: AIOKafkaProducer,
        rows: list[asyncpg.Record],
        backpressure: Backpressure | None,
    ) -> None:
        """Returns, or raises, with the connection at rest: a flush that was acknowledged is marked whatever follows."""
        marking: asyncio.Task[None] | None = None
        try:
            for flush in _flushes(rows):
                records = await _send(producer, flush)
                if marking:
                    await marking
                marking = asyncio.create_task(self._mark(connection, flush), name="relay-mark")
                if backpressure:
                    await backpressure.after(records, sum(len(r["body"] or "") for r in flush))
        finally:
            if marking:
                await marking

    async def _mark(self, connection: asyncpg.Connection, flush: list[asyncpg.Record]) -> None:
        await connection.execute(_MARK, [r["id"] for r in flush])
        PUBLISHED.labels(self._broker.service).inc(len(flush))


def _flushes(rows: list[asyncpg.Record]) -> Iterator[list[asyncpg.Record]]:
    """What is waiting, nearly always in one piece."""
    flush: list[asyncpg.Record] = []
    size = 0
    for row in rows:
        flush.append(row)
        size += len(row["body"] or "")
        if size >= FLUSH_BYTES or len(flush) >= FLUSH_ROWS:
            yield flush
            flush, size = [], 0
    if flush:
        yield flush


async def _send(producer: AIOKafkaProducer, rows: list[asyncpg.Record]) -> list[Any]:
    """One flush: rows are handed over in order, then all acknowledgements are awaited."""
    futures = [
        await producer.send(
            row["topic"],
            value=None if row["body"] is None else row["body"].encode(),
            key=row["key"].encode(),
            headers=[(k, v.encode()) for k, v in row["headers"].items()],
        )
        for row in rows
    ]
    return list(await asyncio.gather(*futures))


def _loads(text: str) -> dict[str, str]:
    loaded: dict[str, str] = json.loads(text)
    return loaded
