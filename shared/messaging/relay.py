"""The relay: publishes what is waiting in the outbox, in order, in one flush, and marks it while the next is sent.

One relay per database is active (lease.py); NOTIFY wakes it. After a crash between produce and mark, events are
published again with the same ids: at least once. What the broker lost is published again (replay.py). A row that the
producer refuses for good is set aside, so that it does not stop the others.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Any, Final

import asyncpg
import structlog
from aiokafka.errors import (
    InvalidTopicError,
    KafkaError,
    MessageSizeTooLargeError,
    PolicyViolationError,
    RecordListTooLargeError,
    RecordTooLargeError,
    UnsupportedForMessageFormatError,
)
from aiokafka.structs import RecordMetadata
from faststream.kafka import KafkaBroker
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type

from shared.core.backoff import backoff
from shared.core.clock import Clock
from shared.core.ids import new_id
from shared.messaging.backpressure import Backpressure
from shared.messaging.broker import (
    EMBEDDED_UNREAD_BYTES,
    BrokerConfig,
    producer_of,
    publishing_broker,
    start_until_reachable,
)
from shared.messaging.lease import Lease, fence
from shared.messaging.replay import BrokerMemory, ends_of
from shared.observability.last_said import LastSaid
from shared.observability.metrics import (
    OUTBOX_PUBLISHED,
    OUTBOX_REFUSED,
    OUTBOX_WAITING,
    RELAY_ACTIVE,
    RELAY_UP,
)
from shared.postgres.retry import UNAVAILABLE

log = structlog.get_logger(__name__)

BATCH_ROWS: Final = 2000
FLUSH_ROWS: Final = 1000
FLUSH_BYTES: Final = EMBEDDED_UNREAD_BYTES  # what the embedded broker is sure to keep; enough for a real one too
FIRST_DELAY_S: Final = 0.1
LONGEST_DELAY_S: Final = 5.0
POLL_S: Final = 1.0  # a missed NOTIFY costs at most this
CLUSTER_CHECK_S: Final = 15.0  # an idle producer reconnects to a wiped broker silently
COMMAND_TIMEOUT_S: Final = 60.0
REFUSED: Final = (
    InvalidTopicError,
    MessageSizeTooLargeError,
    PolicyViolationError,
    RecordListTooLargeError,
    RecordTooLargeError,
    UnsupportedForMessageFormatError,
)
"""The producer or the broker will never accept this record."""

_BACKOFF: Final = backoff(FIRST_DELAY_S, LONGEST_DELAY_S)
_TAKE: Final = """
    select id, topic, key, headers, body from outbox
    where published_at is null and refused_at is null order by id limit $1
"""
_MARK: Final = """
    with marked as (update outbox set published_at = now() where id = any($1::bigint[]))
    insert into relay_offsets (topic, partition, next_offset)
    select * from unnest($2::text[], $3::integer[], $4::bigint[])
    on conflict (topic, partition) do update
        set next_offset = greatest(relay_offsets.next_offset, excluded.next_offset)
"""
_SET_ASIDE: Final = "update outbox set refused_at = now(), refusal = $2 where id = $1"


class BatchRefused(KafkaError):  # type: ignore[misc]
    """The broker refused a batch. The producer's sequence is broken: the relay continues with a new producer."""


class Relay:
    """`problem` says why nothing is published, or is None."""

    def __init__(self, config: BrokerConfig, database_url: str, *, clock: Clock) -> None:
        self._config = config
        self._url = database_url
        self._clock = clock
        self._wake = asyncio.Event()
        self._holder = new_id()
        self._suspects: set[int] = set()  # rows of a refused batch, sent one by one to find the culprit
        self._task: asyncio.Task[None] | None = None
        self._said = LastSaid()
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
        if self._said.is_news(repr(error)):
            log.warning("relay.restarts", error=repr(error), exc_info=error if unexpected else None)

    def _unreachable(self, why: str) -> None:
        self.problem = why
        RELAY_UP.labels(self._config.service).set(0)

    def _works(self) -> None:
        self.problem = None
        self._said.is_over()
        RELAY_UP.labels(self._config.service).set(1)

    async def _publish_while_connected(self) -> None:
        async with AsyncExitStack() as stack:
            lease = Lease(await self._connect(stack), self._holder, clock=self._clock)
            while not await lease.acquire():
                self._works()  # standing by
                await self._clock.sleep(POLL_S)
            stack.push_async_callback(_release, lease)
            stack.callback(RELAY_ACTIVE.labels(self._config.service).set, 0)
            RELAY_ACTIVE.labels(self._config.service).set(1)
            await _first_of(lease.keep(), self._publish_under(lease))

    async def _connect(self, stack: AsyncExitStack) -> asyncpg.Connection:
        connection = await asyncpg.connect(self._url, timeout=5, command_timeout=COMMAND_TIMEOUT_S)
        stack.callback(connection.terminate)
        return connection

    async def _publish_under(self, lease: Lease) -> None:
        async with AsyncExitStack() as stack:
            connection = await self._connect(stack)
            await connection.set_type_codec("jsonb", encoder=str, decoder=_loads, schema="pg_catalog")
            await connection.add_listener("outbox", lambda *_: self._wake.set())
            connection.add_termination_listener(lambda *_: self._wake.set())
            memory = BrokerMemory(self._config, connection, report=self._unreachable)
            await memory.replay_what_is_lost()  # waits for the broker
            broker = await start_until_reachable(
                self._config,
                lambda: publishing_broker(self._config),
                lambda broker: broker.stop(),
                client="producer",
                report=self._unreachable,
            )
            fence(producer_of(broker), lambda: lease.is_held)
            try:
                await self._publish(connection, broker, memory)
            finally:
                with suppress(KafkaError, OSError):
                    await broker.stop()

    async def _publish(self, connection: asyncpg.Connection, broker: KafkaBroker, memory: BrokerMemory) -> None:
        backpressure = Backpressure(self._config, EMBEDDED_UNREAD_BYTES) if self._config.embedded else None
        checked = self._clock.monotonic()
        while True:
            if self._clock.monotonic() - checked > CLUSTER_CHECK_S:
                await memory.replay_what_is_lost()
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
            for flush in _flushes(rows, self._suspects):
                answers = await _send(broker, flush, self._config.topic)
                if marking:
                    await marking
                marking = asyncio.create_task(self._mark(connection, flush, answers), name="relay-mark")
                if any(isinstance(answer, Refusal) and answer.by_broker for answer in answers):
                    raise BatchRefused(f"the broker refused a batch of {len(flush)} rows")
                if backpressure:
                    records = [answer for answer in answers if not isinstance(answer, Refusal)]
                    await backpressure.after(records, sum(len(r["body"] or "") for r in flush))
        finally:
            if marking:
                await marking

    async def _mark(
        self, connection: asyncpg.Connection, flush: list[asyncpg.Record], answers: Sequence[RecordMetadata | Refusal]
    ) -> None:
        """Marks what was acknowledged and sets aside what is certainly refused. The broker refuses a whole batch for
        one record, so its rows are suspects until each was sent alone."""
        acknowledged: list[int] = []
        records: list[RecordMetadata] = []
        for row, answer in zip(flush, answers, strict=True):
            if not isinstance(answer, Refusal):
                acknowledged.append(row["id"])
                records.append(answer)
            elif answer.by_broker and len(flush) > 1:
                self._suspects.add(row["id"])
            else:
                await self._set_aside(connection, row, answer)
        ends = ends_of(records)
        topics = [self._config.name_of(tp.topic) for tp in ends]
        await connection.execute(_MARK, acknowledged, topics, [tp.partition for tp in ends], list(ends.values()))
        self._suspects.difference_update(acknowledged)
        OUTBOX_PUBLISHED.labels(self._config.service).inc(len(acknowledged))

    async def _set_aside(self, connection: asyncpg.Connection, row: asyncpg.Record, refusal: Refusal) -> None:
        await connection.execute(_SET_ASIDE, row["id"], refusal.reason)
        self._suspects.discard(row["id"])
        OUTBOX_REFUSED.labels(self._config.service, row["topic"]).inc()
        log.error("relay.set_aside", id=row["id"], topic=row["topic"], key=row["key"][:100], error=refusal.reason)


@dataclass(frozen=True)
class Refusal:
    """Why a row can never be published. `by_broker`: the answer to a batch, of which the row may be innocent."""

    reason: str
    by_broker: bool


def _flushes(rows: list[asyncpg.Record], alone: set[int]) -> Iterator[list[asyncpg.Record]]:
    """What is waiting, nearly always in a single flush. Rows whose id is in `alone` get a flush of their own."""
    flush: list[asyncpg.Record] = []
    size = 0
    for row in rows:
        if flush and (row["id"] in alone or flush[-1]["id"] in alone):
            yield flush
            flush, size = [], 0
        flush.append(row)
        size += len(row["body"] or "")
        if size >= FLUSH_BYTES or len(flush) >= FLUSH_ROWS:
            yield flush
            flush, size = [], 0
    if flush:
        yield flush


async def _send(
    broker: KafkaBroker, rows: list[asyncpg.Record], topic_of: Callable[[str], str]
) -> list[RecordMetadata | Refusal]:
    """One flush: hands the rows over in order, then awaits all answers. Raises any error that may pass."""
    handed_over = [await _hand_over(broker, row, topic_of(row["topic"])) for row in rows]
    answers = [h if isinstance(h, Refusal) else await _outcome(h) for h in handed_over]
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
    return [answer for answer in answers if not isinstance(answer, Exception)]


async def _outcome(acknowledgement: asyncio.Future[RecordMetadata]) -> RecordMetadata | Refusal | Exception:
    """Awaiting one by one is cheaper than `gather`: after the first few the rest have their answer already."""
    try:
        return await acknowledgement
    except REFUSED as error:
        return Refusal(repr(error), by_broker=True)
    except Exception as error:
        return error


async def _hand_over(broker: KafkaBroker, row: asyncpg.Record, topic: str) -> asyncio.Future[RecordMetadata] | Refusal:
    try:
        acknowledgement: asyncio.Future[RecordMetadata] = await broker.publish(
            None if row["body"] is None else row["body"].encode(),
            topic,
            key=row["key"].encode(),
            headers=row["headers"],
            no_confirm=True,
        )
    except (*REFUSED, TypeError, ValueError) as error:  # about this row alone; nothing was sent
        return Refusal(repr(error), by_broker=False)
    return acknowledgement


async def _first_of(keeping: Coroutine[Any, Any, None], working: Coroutine[Any, Any, None]) -> None:
    """Runs both until one ends, which ends the other; raises its error."""
    tasks = [asyncio.create_task(keeping, name="relay-lease"), asyncio.create_task(working, name="relay-publish")]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


async def _release(lease: Lease) -> None:
    """So that another relay takes over at once. Nothing is sent any more by now."""
    with suppress(*UNAVAILABLE, asyncpg.PostgresError):
        await lease.release()


def _loads(text: str) -> dict[str, str]:
    loaded: dict[str, str] = json.loads(text)
    return loaded
