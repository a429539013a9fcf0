"""The relay: publishes what is waiting in the outbox, in order, in one flush, and marks it while the next is sent.

One relay per database is active (advisory lock on a direct connection); NOTIFY wakes it. After a crash between produce
and mark, events are published again with the same ids: at least once. A cluster id other than the one that the rows
went to means that the broker lost its data: everything that is replayed is published again.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

import asyncpg
import structlog
from aiokafka.errors import KafkaError
from aiokafka.structs import RecordMetadata
from faststream.kafka import KafkaBroker
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type

from shared.contracts.topics import TOPICS
from shared.core.backoff import backoff
from shared.core.clock import Clock
from shared.messaging.backpressure import Backpressure
from shared.messaging.broker import (
    EMBEDDED_UNREAD_BYTES,
    BrokerConfig,
    cluster_id,
    publishing_broker,
    start_until_reachable,
)
from shared.observability.metrics import OUTBOX_PUBLISHED, OUTBOX_WAITING, RELAY_UP
from shared.postgres.retry import UNAVAILABLE

log = structlog.get_logger(__name__)

BATCH_ROWS: Final = 2000
FLUSH_ROWS: Final = 1000
FLUSH_BYTES: Final = EMBEDDED_UNREAD_BYTES  # what the embedded broker is sure to keep; enough for a real one too
FIRST_DELAY_S: Final = 0.1
LONGEST_DELAY_S: Final = 5.0
POLL_S: Final = 1.0  # a missed NOTIFY costs at most this
LOCK_KEY: Final = 0x52455441  # "RETA"
NOT_REPLAYED: Final = [t.name for t in TOPICS.values() if not t.replayed]
REPLAY_DAYS: Final = 7
CLUSTER_CHECK_S: Final = 15.0  # an idle producer reconnects to a wiped broker silently

_BACKOFF: Final = backoff(FIRST_DELAY_S, LONGEST_DELAY_S)
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
    """`problem` says why nothing is published, or is None."""

    def __init__(self, config: BrokerConfig, database_url: str, *, clock: Clock) -> None:
        self._config = config
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
        """Retries after any error: a relay that has stopped for good is worse."""
        retrying = AsyncRetrying(
            sleep=self._clock.sleep,
            wait=self._delay,
            retry=retry_if_exception_type(Exception),
            before_sleep=self._failed,
        )
        await retrying(self._publish_while_connected)

    def _delay(self, state: RetryCallState) -> float:
        """Seconds. Starts short again if the relay has worked since the last failure."""
        if self.problem is None:
            state.attempt_number = 1
        return _BACKOFF(state)

    def _failed(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        unexpected = not isinstance(error, (*UNAVAILABLE, asyncpg.PostgresError, KafkaError))
        self.problem = repr(error)
        RELAY_UP.labels(self._config.service).set(0)
        log.warning(
            "relay.restarts",
            error=repr(error),
            retry_in_s=round(state.upcoming_sleep, 2),
            exc_info=error if unexpected else None,
        )

    def _works(self) -> None:
        self.problem = None
        RELAY_UP.labels(self._config.service).set(1)

    async def _publish_while_connected(self) -> None:
        connection = await asyncpg.connect(self._url, timeout=5, command_timeout=60)
        try:
            await connection.set_type_codec("jsonb", encoder=str, decoder=_loads, schema="pg_catalog")
            await self._become_active(connection)
            await connection.add_listener("outbox", lambda *_: self._wake.set())
            connection.add_termination_listener(lambda *_: self._wake.set())
            await self._replay_if_lost(connection)  # waits for the broker
            broker = await start_until_reachable(
                lambda: publishing_broker(self._config), lambda broker: broker.stop(), client="producer"
            )
            try:
                await self._publish(connection, broker)
            finally:
                with suppress(KafkaError, OSError):
                    await broker.stop()
        finally:
            connection.terminate()

    async def _become_active(self, connection: asyncpg.Connection) -> None:
        while not await connection.fetchval("select pg_try_advisory_lock($1)", LOCK_KEY):
            self._works()  # standing by
            await asyncio.sleep(POLL_S)

    async def _replay_if_lost(self, connection: asyncpg.Connection) -> None:
        found = await cluster_id(self._config)
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

    async def _publish(self, connection: asyncpg.Connection, broker: KafkaBroker) -> None:
        backpressure = Backpressure(self._config, EMBEDDED_UNREAD_BYTES) if self._config.embedded else None
        checked = self._clock.monotonic()
        while True:
            if self._clock.monotonic() - checked > CLUSTER_CHECK_S:
                await self._replay_if_lost(connection)
                checked = self._clock.monotonic()
            self._wake.clear()
            rows = await connection.fetch(_TAKE, BATCH_ROWS)
            OUTBOX_WAITING.labels(self._config.service).set(len(rows))
            await self._send_all(connection, broker, rows, backpressure)
            self._works()
            if len(rows) < BATCH_ROWS:
                with suppress(TimeoutError):
                    async with asyncio.timeout(POLL_S):  # wait_for can swallow a cancellation before 3.12
                        await self._wake.wait()

    async def _send_all(
        self,
        connection: asyncpg.Connection,
        broker: KafkaBroker,
        rows: list[asyncpg.Record],
        backpressure: Backpressure | None,
    ) -> None:
        """Returns or raises with the connection idle: a flush that was acknowledged is marked whatever happens next."""
        marking: asyncio.Task[None] | None = None
        try:
            for flush in _flushes(rows):
                records = await _send(broker, flush)
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
        OUTBOX_PUBLISHED.labels(self._config.service).inc(len(flush))


def _flushes(rows: list[asyncpg.Record]) -> Iterator[list[asyncpg.Record]]:
    """What is waiting, nearly always in a single flush."""
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


async def _send(broker: KafkaBroker, rows: list[asyncpg.Record]) -> list[RecordMetadata]:
    """One flush: hands the rows over in order, then awaits all acknowledgements."""
    acknowledgements = [
        await broker.publish(
            None if row["body"] is None else row["body"].encode(),
            row["topic"],
            key=row["key"].encode(),
            headers=row["headers"],
            no_confirm=True,
        )
        for row in rows
    ]
    return list(await asyncio.gather(*acknowledgements))


def _loads(text: str) -> dict[str, str]:
    loaded: dict[str, str] = json.loads(text)
    return loaded
