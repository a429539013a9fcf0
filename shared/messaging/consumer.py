"""The consumer: takes what is waiting, applies it in one transaction, then commits the offsets while it takes the next.

If the batch fails, its records are applied one by one: transient errors are retried in place (the partition waits),
anything else is dead-lettered with its cause, so that one poison record never stops a partition.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from prometheus_client import Counter, Gauge, Histogram

from shared.contracts.base import Event
from shared.contracts.topics import consumed_by
from shared.core.clock import Clock
from shared.core.errors import Permanent, RetakeError, Retryable
from shared.messaging import inbox
from shared.messaging.broker import Broker, start_until_reachable
from shared.messaging.dead_letters import DeadLetter, dead_letter
from shared.messaging.events import Message, read_message
from shared.observability.tracing import event_span
from shared.postgres.deferred_writes import DeferredWrites
from shared.postgres.pool import Connection, Pool, transaction
from shared.postgres.retry import UNAVAILABLE

log = structlog.get_logger(__name__)

Handler = Callable[[Connection, Message[Any]], Awaitable[None]]
"""Applies one event within the consumer's transaction; effects outside PostgreSQL do not belong here."""

OnDeadLetter = Callable[[Connection, DeadLetter], Awaitable[None]]
"""Publishes the failure of a command that could not be processed, so that no lock stays held."""

MAX_RECORDS: Final = 500
UNEXPECTED_ATTEMPTS: Final = 5  # an exception that nobody classed: perhaps a race, perhaps a bug
MAX_DELAY_S: Final = 5.0
STUCK_S: Final = 60.0
LEAVE_S: Final = 3.0
OBSERVE_S: Final = 0.5
FRESH_S: Final = 5.0  # an assigned partition answers a fetch at least this often while the broker is well

CONSUMED = Counter("retake_events_consumed_total", "Events applied", ["service", "topic"])
DEAD = Counter("retake_events_dead_lettered_total", "Records put aside with their cause", ["service", "topic"])
BATCH = Histogram("retake_consumer_batch_seconds", "Time to apply one batch", ["service"])
BUSY_SINCE = Gauge("retake_consumer_busy_since_seconds", "When the batch in hand was taken; 0 when idle", ["service"])


class Consumer:
    """One group member per process. `handlers` has one entry per event type that the service consumes."""

    def __init__(
        self,
        broker: Broker,
        pool: Pool,
        handlers: Mapping[type[Event], Handler],
        *,
        clock: Clock,
        on_dead_letter: OnDeadLetter | None = None,
        on_batch: Callable[[], None] | None = None,
    ) -> None:
        self._broker = broker
        self._pool = pool
        self._handlers = handlers
        self._clock = clock
        self._on_dead_letter = on_dead_letter
        self._on_batch = on_batch
        self._topics = [t.name for t in consumed_by(broker.service)]
        if missing := {t.event for t in consumed_by(broker.service)} ^ set(handlers):
            raise Permanent("handlers_differ", f"topics.py and the handlers of {broker.service} differ by {missing}")
        self._task: asyncio.Task[None] | None = None
        self._consumer: AIOKafkaConsumer | None = None
        self._committing: asyncio.Task[None] | None = None
        self._busy_since: float | None = None
        self._well_since: float | None = None
        self._lagging = True
        self._idle = asyncio.Event()
        self._idle.set()
        self._stopping = False

    async def __aenter__(self) -> Consumer:
        self._task = asyncio.create_task(self._run(), name="consumer")
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Lets the batch in hand finish (it is a few milliseconds of SQL), then leaves the group."""
        self._stopping = True
        with suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), 10)
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    @property
    def problem(self) -> str | None:
        """Why this consumer is not consuming, or None: for readiness."""
        if self._consumer is None:
            return "not connected to the broker"
        if self._task is None or self._task.done():
            return "stopped"
        if self._busy_since is not None and self._clock.monotonic() - self._busy_since > STUCK_S:
            return f"one batch has taken over {STUCK_S:.0f} s"
        return None

    def settled_for(self) -> float:
        """Seconds for which the broker has been well; 0 while anything is still unread. Absence of an event may be
        concluded from it, never from silence alone."""
        if self._lagging or self._well_since is None:
            return 0.0
        return self._clock.monotonic() - self._well_since

    async def _observe(self, consumer: AIOKafkaConsumer) -> None:
        """Everything taken has been applied: what is left between our position and the end is unread."""
        assigned = consumer.assignment()
        stale = time.time() * 1000 - FRESH_S * 1000
        if not assigned or any((consumer.last_poll_timestamp(tp) or 0) < stale for tp in assigned):
            self._well_since = None
        elif self._well_since is None:
            self._well_since = self._clock.monotonic()
        try:
            async with asyncio.timeout(OBSERVE_S):
                self._lagging = any([await _unread(consumer, tp) for tp in assigned])
        except (KafkaError, AssertionError, TimeoutError):  # just being reassigned
            self._lagging = True

    async def _run(self) -> None:
        while not self._stopping:
            self._consumer, self._well_since, self._lagging = None, None, True
            consumer = await start_until_reachable(lambda: self._broker.consumer(*self._topics), what="consumer")
            self._consumer = consumer
            try:
                await self._consume(consumer)
            except (KafkaError, OSError) as e:
                log.warning("consumer.restarts", error=repr(e))
                await asyncio.sleep(0.5)
            except Exception:  # whatever it is, a consumer that is gone for good helps nobody
                log.exception("consumer.restarts")
                await asyncio.sleep(MAX_DELAY_S)
            finally:
                await _leave(consumer)

    async def _consume(self, consumer: AIOKafkaConsumer) -> None:
        try:
            await self._take_and_apply(consumer)
        finally:
            if self._committing:
                await asyncio.wait({self._committing}, timeout=LEAVE_S)
                self._committing.cancel()
                self._committing = None

    async def _take_and_apply(self, consumer: AIOKafkaConsumer) -> None:
        while not self._stopping:
            batches = await consumer.getmany(timeout_ms=1000, max_records=MAX_RECORDS)
            records = [record for batch in batches.values() for record in batch]
            if not records:
                await self._observe(consumer)
                continue
            self._idle.clear()
            self._busy_since = self._clock.monotonic()
            BUSY_SINCE.labels(self._broker.service).set_to_current_time()
            try:
                with BATCH.labels(self._broker.service).time():
                    await self._apply(records)
                if self._on_batch:
                    self._on_batch()
                await self._begin_commit(consumer, records)
                await self._observe(consumer)
            finally:
                self._busy_since = None
                BUSY_SINCE.labels(self._broker.service).set(0)
                self._idle.set()

    async def _begin_commit(self, consumer: AIOKafkaConsumer, records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        """The next events need not wait for its answer. One commit at a time, so that offsets never go back."""
        if self._committing:
            await asyncio.wait({self._committing})
            if not self._committing.cancelled():
                self._committing.result()
        self._committing = asyncio.create_task(self._commit(consumer, records), name="consumer-commit")

    async def _commit(self, consumer: AIOKafkaConsumer, records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        """Only past what was applied or put aside. A refusal (rebalance) is harmless: the inbox knows the events."""
        offsets: dict[TopicPartition, int] = {}
        for r in records:
            tp = TopicPartition(r.topic, r.partition)
            offsets[tp] = max(offsets.get(tp, 0), r.offset + 1)
        try:
            await consumer.commit(offsets)
        except KafkaError as e:
            log.info("consumer.commit_refused", error=repr(e))

    async def _apply(self, records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        try:
            await self._apply_together([_read(r) for r in records if r.value is not None])
        except asyncio.CancelledError:
            raise
        except Exception as e:
            log.info("consumer.one_by_one", records=len(records), error=repr(e))
            for record in records:
                if record.value is not None:
                    await self._apply_alone(record)

    async def _apply_together(self, messages: list[Message[Event]]) -> None:
        if not messages:
            return
        async with transaction(self._pool) as connection:
            await apply_new(connection, messages, self._handlers)
        for message in messages:
            CONSUMED.labels(self._broker.service, message.topic).inc()

    async def _apply_alone(self, record: ConsumerRecord[bytes, bytes]) -> None:
        attempts, delay = 0, 0.05
        while True:
            attempts += 1
            try:
                return await self._apply_together([_read(record)])
            except UNAVAILABLE as e:
                log.warning("consumer.waits", topic=record.topic, error=repr(e), retry_in_s=delay)
            except Retryable as e:
                delay = max(delay, e.delay_s or 0)
                log.warning("consumer.retries", topic=record.topic, error=str(e), retry_in_s=delay)
            except RetakeError as e:
                return await self._put_aside(record, e, attempts)
            except Exception as e:
                log.exception("consumer.unexpected", topic=record.topic, attempt=attempts)
                if attempts >= UNEXPECTED_ATTEMPTS:
                    return await self._put_aside(record, Permanent("unexpected", repr(e)), attempts)
            await self._clock.sleep(delay)
            delay = min(delay * 2, MAX_DELAY_S)

    async def _put_aside(self, record: ConsumerRecord[bytes, bytes], error: RetakeError, attempts: int) -> None:
        letter = DeadLetter.of(record, self._broker.service, error, attempts, self._clock.now())
        DEAD.labels(self._broker.service, record.topic).inc()
        log.error("consumer.dead_letter", topic=record.topic, offset=record.offset, code=error.code, cause=error.cause)
        delay = 0.1
        while True:
            try:
                return await dead_letter(self._pool, letter, self._on_dead_letter)
            except UNAVAILABLE as e:
                log.warning("consumer.waits", topic=record.topic, error=repr(e), retry_in_s=delay)
                await self._clock.sleep(delay)
                delay = min(delay * 2, MAX_DELAY_S)


async def apply_new(
    connection: Connection, messages: Sequence[Message[Event]], handlers: Mapping[type[Event], Handler]
) -> None:
    """Those that were not applied before, in order. The caller commits."""
    new = await inbox.take_new(connection, messages)
    writes = DeferredWrites(connection)
    for message in messages:
        if message.envelope.id in new:
            new.discard(message.envelope.id)
            with event_span(message):
                await handlers[type(message.event)](writes.as_connection(), message)
    await writes.flush()


async def _unread(consumer: AIOKafkaConsumer, partition: TopicPartition) -> bool:
    end = consumer.highwater(partition)
    return end is None or await consumer.position(partition) < end


async def _leave(consumer: AIOKafkaConsumer) -> None:
    """Leave the group, even when cancelled meanwhile: else its partitions wait for the session's end. Takes a few
    milliseconds, or its whole time when the broker is away."""
    leaving = asyncio.ensure_future(_stopped(consumer))
    cancelled = False
    while not leaving.done():
        try:
            await asyncio.shield(leaving)
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError


async def _stopped(consumer: AIOKafkaConsumer) -> None:
    with suppress(KafkaError, OSError, TimeoutError):
        async with asyncio.timeout(LEAVE_S):
            await consumer.stop()


def _read(record: ConsumerRecord[bytes, bytes]) -> Message[Event]:
    assert record.value is not None
    return read_message(record.topic, list(record.headers), record.value)
