"""The consumer: takes what is waiting, applies it in one transaction, then commits the offsets while it takes the next.

If a batch fails, its records are applied one by one: transient errors are retried in place (the partition waits), any
other error sends the record to the dead-letter topic with its cause, so that a poison record never stops a partition.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from faststream.kafka import KafkaRouter
from faststream.kafka.subscriber.usecase import BatchSubscriber
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type

from shared.contracts.base import Event
from shared.core.backoff import backoff
from shared.core.clock import Clock
from shared.core.errors import Permanent, RetakeError, Retryable
from shared.messaging import inbox
from shared.messaging.broker import BrokerConfig, consuming_broker, group_member, pace_fetches, start_until_reachable
from shared.messaging.dead_letters import DeadLetter, publish_dead_letter
from shared.messaging.events import Message, read_message
from shared.messaging.routers import Delivery, Handler, handlers_of
from shared.messaging.tracing import event_span
from shared.observability.last_said import LastSaid
from shared.observability.metrics import (
    CONSUMER_BATCH_SECONDS,
    CONSUMER_BUSY_SINCE,
    CONSUMER_LAG,
    EVENTS_CONSUMED,
    EVENTS_DEAD_LETTERED,
)
from shared.postgres.deferred_writes import DeferredWrites
from shared.postgres.pool import Connection, Pool, transaction
from shared.postgres.retry import UNAVAILABLE

log = structlog.get_logger(__name__)

OnDeadLetter = Callable[[Connection, DeadLetter], Awaitable[None]]
"""Publishes the failure of a command that could not be processed, so that no lock stays held."""

MAX_RECORDS: Final = 500
UNEXPECTED_ATTEMPTS: Final = 5  # of an exception outside errors.py: perhaps a race, perhaps a bug
FIRST_DELAY_S: Final = 0.05
LONGEST_DELAY_S: Final = 5.0
STUCK_S: Final = 60.0
LEAVE_S: Final = 3.0
OBSERVE_S: Final = 0.5
FRESH_S: Final = 5.0  # an assigned partition answers a fetch at least this often while the broker is healthy


class Consumer:
    """One group member per process. `router` has one handler per event that the service consumes."""

    def __init__(
        self,
        config: BrokerConfig,
        pool: Pool,
        router: KafkaRouter,
        *,
        clock: Clock,
        on_dead_letter: OnDeadLetter | None = None,
    ) -> None:
        self._service = config.service
        self._config = config
        self._pool = pool
        self._handlers = handlers_of(router, config.service)
        self._broker = consuming_broker(config, router)
        self._member = group_member(self._broker, config)
        self._clock = clock
        self._on_dead_letter = on_dead_letter
        self._task: asyncio.Task[None] | None = None
        self._consumer: AIOKafkaConsumer | None = None
        self._committing: asyncio.Task[None] | None = None
        self._busy_since: float | None = None
        self._healthy_since: float | None = None
        self._disconnected: str | None = None  # why, as far as it is known
        self._said = LastSaid()
        self._lagging = True
        self._idle = asyncio.Event()
        self._idle.set()
        self._stopping = False

    async def __aenter__(self) -> Consumer:
        self._task = asyncio.create_task(self._run(), name="consumer")
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Lets the current batch finish (a few milliseconds of SQL), then leaves the group."""
        self._stopping = True
        with suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), 10)
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    @property
    def problem(self) -> str | None:
        """Why this consumer is not consuming, or None. For readiness."""
        if self._consumer is None:
            return f"not connected to the broker: {self._disconnected or 'not started'}"
        if self._task is None or self._task.done():
            return "stopped"
        if self._busy_since is not None and self._clock.monotonic() - self._busy_since > STUCK_S:
            return f"one batch has taken over {STUCK_S:.0f} s"
        return None

    def settled_for(self) -> float:
        """Seconds for which the broker has been healthy and everything was read; 0 while anything is unread.

        The absence of an event may be concluded from this, never from silence alone.
        """
        if self._lagging or self._healthy_since is None:
            return 0.0
        return self._clock.monotonic() - self._healthy_since

    async def _observe(self, consumer: AIOKafkaConsumer) -> None:
        """Call it between batches: every record taken is applied, so what lies past our position is unread."""
        assigned = consumer.assignment()
        stale = time.time() * 1000 - FRESH_S * 1000
        if not assigned or any((consumer.last_poll_timestamp(tp) or 0) < stale for tp in assigned):
            self._healthy_since = None
        elif self._healthy_since is None:
            self._healthy_since = self._clock.monotonic()
        try:
            async with asyncio.timeout(OBSERVE_S):
                unread = {tp: await _unread(consumer, tp) for tp in assigned}
        except (KafkaError, AssertionError, TimeoutError):  # just being reassigned
            self._lagging = True
            return
        self._lagging = any(count is None or count > 0 for count in unread.values())
        for topic in self._handlers:
            known = [count or 0 for tp, count in unread.items() if self._config.name_of(tp.topic) == topic]
            CONSUMER_LAG.labels(self._service, topic).set(sum(known))

    async def _run(self) -> None:
        """Restarts after any error: a consumer that has stopped for good is worse."""
        await self._broker.connect()  # consumer-only: builds clients and opens no connection
        await AsyncRetrying(
            sleep=self._clock.sleep,
            wait=self._restart_delay,
            retry=retry_if_exception_type(Exception),
            before_sleep=self._restarts,
        )(self._consume_until_stopped)

    def _restarts(self, state: RetryCallState) -> None:
        error = _error(state)
        self._unreachable(repr(error))
        expected = isinstance(error, (KafkaError, OSError))
        if self._healthy_since is not None:
            self._said.is_over()
        if self._said.is_news(repr(error)):
            log.warning("consumer.restarts", error=repr(error), exc_info=None if expected else error)

    def _unreachable(self, why: str) -> None:
        self._disconnected = why

    def _restart_delay(self, state: RetryCallState) -> float:
        """Seconds. Starts short again if the consumer was healthy since the last restart."""
        if self._healthy_since is not None:
            state.attempt_number = 1
        return _RESTART_BACKOFF(state)

    async def _consume_until_stopped(self) -> None:
        self._consumer, self._healthy_since, self._lagging = None, None, True  # unknown until it has consumed
        await start_until_reachable(
            self._config,
            lambda: self._member,
            _leave,
            client="consumer",
            sleep=self._clock.sleep,
            report=self._unreachable,
        )
        consumer = self._consumer = self._member.consumer
        assert consumer is not None, "a started member has a consumer"
        try:
            await self._take_and_apply(consumer)
        finally:
            try:
                await self._finish_commit()
            finally:
                self._consumer = None
                await _leave_though_cancelled(self._member)

    async def _finish_commit(self) -> None:
        if self._committing:
            await asyncio.wait({self._committing}, timeout=LEAVE_S)
            self._committing.cancel()
            self._committing = None

    async def _take_and_apply(self, consumer: AIOKafkaConsumer) -> None:
        heard = self._clock.monotonic()
        while not self._stopping:
            batches = await consumer.getmany(timeout_ms=1000, max_records=MAX_RECORDS)
            records = [record for batch in batches.values() for record in batch]
            if records:
                heard = self._clock.monotonic()
            pace_fetches(consumer, self._config, self._clock.monotonic() - heard)
            if not records:
                await self._observe(consumer)
                continue
            self._idle.clear()
            self._busy_since = self._clock.monotonic()
            CONSUMER_BUSY_SINCE.labels(self._service).set_to_current_time()
            try:
                with CONSUMER_BATCH_SECONDS.labels(self._service).time():
                    await self._apply(records)
                await self._begin_commit(consumer, records)
                await self._observe(consumer)
            finally:
                self._busy_since = None
                CONSUMER_BUSY_SINCE.labels(self._service).set(0)
                self._idle.set()

    async def _begin_commit(self, consumer: AIOKafkaConsumer, records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        """The next batch does not wait for the answer. One commit at a time, so that offsets never go back."""
        if self._committing:
            await asyncio.wait({self._committing})
            if not self._committing.cancelled():
                self._committing.result()
        self._committing = asyncio.create_task(self._commit(consumer, records), name="consumer-commit")

    async def _commit(self, consumer: AIOKafkaConsumer, records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        """Exactly past what was applied or dead-lettered. A refusal (rebalance) is harmless: the inbox knows them."""
        offsets: dict[TopicPartition, int] = {}
        for record in records:
            partition = TopicPartition(record.topic, record.partition)
            offsets[partition] = max(offsets.get(partition, 0), record.offset + 1)
        try:
            await consumer.commit(offsets)
        except KafkaError as error:
            log.info("consumer.commit_refused", error=repr(error))

    async def _apply(self, records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        with_body = [self._named(record) for record in records if record.value is not None]  # a tombstone has none
        try:
            await self._apply_together([_read(record) for record in with_body])
        except Exception as error:
            log.info("consumer.one_by_one", records=len(records), error=repr(error))
            for record in with_body:
                await self._apply_alone(record)

    def _named(self, record: ConsumerRecord[bytes, bytes]) -> ConsumerRecord[bytes, bytes]:
        """With the contracts' name of the topic."""
        return replace(record, topic=self._config.name_of(record.topic)) if self._config.prefix else record

    async def _apply_together(self, messages: Sequence[Message[Event]]) -> None:
        if not messages:
            return
        async with transaction(self._pool) as connection:
            await apply_new(connection, messages, self._handlers)
        for message in messages:
            EVENTS_CONSUMED.labels(self._service, message.topic).inc()

    async def _apply_alone(self, record: ConsumerRecord[bytes, bytes]) -> None:
        async def apply() -> None:
            await self._apply_together([_read(record)])

        retrying = AsyncRetrying(
            sleep=self._clock.sleep, wait=_delay, retry=_is_worth_retrying, before_sleep=_log_retry
        )
        try:
            await retrying(apply)
        except RetakeError as error:
            await self._dead_letter(record, error, retrying.statistics["attempt_number"])
        except Exception as error:
            log.exception("consumer.unexpected", topic=record.topic)
            unexpected = Permanent("unexpected", repr(error))
            await self._dead_letter(record, unexpected, retrying.statistics["attempt_number"])

    async def _dead_letter(self, record: ConsumerRecord[bytes, bytes], error: RetakeError, attempts: int) -> None:
        letter = DeadLetter.of(record, self._service, error, attempts, self._clock.now())
        EVENTS_DEAD_LETTERED.labels(self._service, record.topic).inc()
        log.error("consumer.dead_letter", topic=record.topic, offset=record.offset, code=error.code, cause=error.cause)
        retrying = AsyncRetrying(
            sleep=self._clock.sleep,
            wait=backoff(FIRST_DELAY_S, LONGEST_DELAY_S),
            retry=retry_if_exception_type(UNAVAILABLE),
            before_sleep=_log_retry,
        )
        await retrying(publish_dead_letter, self._pool, letter, self._on_dead_letter)


_BACKOFF: Final = backoff(FIRST_DELAY_S, LONGEST_DELAY_S)
_RESTART_BACKOFF: Final = backoff(0.5, LONGEST_DELAY_S)


def _delay(state: RetryCallState) -> float:
    """Seconds before the next attempt: at least as long as the error asks for."""
    error = _error(state)
    requested = error.delay_s if isinstance(error, Retryable) else None
    return max(_BACKOFF(state), requested or 0.0)


def _is_worth_retrying(state: RetryCallState) -> bool:
    match _error(state):
        case error if isinstance(error, UNAVAILABLE):
            return True
        case RetakeError() as error:
            return error.retryable
        case Exception():
            return state.attempt_number < UNEXPECTED_ATTEMPTS
        case _:
            return False


def _log_retry(state: RetryCallState) -> None:
    log.warning(
        "consumer.retries",
        attempt=state.attempt_number,
        error=repr(_error(state)),
        retry_in_s=round(state.upcoming_sleep, 2),
    )


def _error(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


async def apply_new(
    connection: Connection, messages: Sequence[Message[Event]], handlers: Mapping[str, Handler]
) -> None:
    """Applies, in order, the events that were not applied before. The caller commits."""
    new = await inbox.take_new(connection, messages)
    writes = DeferredWrites(connection)
    for message in messages:
        if message.envelope.id in new:
            new.discard(message.envelope.id)
            with event_span(message):
                await handlers[message.topic](Delivery(message, writes.as_connection()))
    await writes.flush()


async def _unread(consumer: AIOKafkaConsumer, partition: TopicPartition) -> int | None:
    """The number of records past our position; None until the broker has told the end."""
    end = consumer.highwater(partition)
    return None if end is None else max(0, end - await consumer.position(partition))


async def _leave_though_cancelled(member: BatchSubscriber) -> None:
    """Leaves the group even if cancelled meanwhile: else its partitions wait until the session ends. Takes a few
    milliseconds, or LEAVE_S when the broker is unreachable."""
    leaving = asyncio.ensure_future(_leave(member))
    cancelled = False
    while not leaving.done():
        try:
            await asyncio.shield(leaving)
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError


async def _leave(member: BatchSubscriber) -> None:
    with suppress(KafkaError, OSError, TimeoutError):
        async with asyncio.timeout(LEAVE_S):
            await member.stop()


def _read(record: ConsumerRecord[bytes, bytes]) -> Message[Event]:
    assert record.value is not None
    return read_message(record.topic, list(record.headers), record.value)
