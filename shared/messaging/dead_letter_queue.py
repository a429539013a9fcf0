"""A service's dead-letter topic, for operators: list dead letters, send them again, or discard them.

Works on Kafka alone. A letter goes back, unchanged, to the topic it came from: it is new to the consumer that failed,
and every other consumer knows its id. Which letters are settled is kept in Kafka too, as the offsets of a group of its
own; letters settled out of order are listed in the offset's metadata.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    NotCoordinatorForGroupError,
)
from aiokafka.structs import OffsetAndMetadata
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay

from shared.contracts.topics import TOPICS, dead_letter_topic
from shared.core.backoff import backoff
from shared.core.errors import UserError
from shared.messaging.broker import BrokerConfig, admin_client, publishing_broker
from shared.messaging.dead_letters import PREFIX, content_of

FETCH_WAIT_MS: Final = 50
COORDINATOR_S: Final = 20.0
INCOMPLETE: Final = frozenset({"truncated", "truncated_key", "dropped_headers"})
MAX_OUT_OF_ORDER: Final = 500  # Kafka keeps 4,096 bytes of metadata with an offset


@dataclass(frozen=True)
class QueuedLetter:
    """A record in the dead-letter topic. `position` identifies it there, as PARTITION:OFFSET; `topic`, `key`, `headers`
    and `body` are those of the original record; `cause` says why it is here, and whether `body` is in base64."""

    position: str
    at: datetime
    settled: bool
    topic: str
    key: str
    headers: dict[str, str]
    body: str
    cause: dict[str, str]

    @property
    def partition_and_offset(self) -> tuple[int, int]:
        partition, offset = self.position.split(":")
        return int(partition), int(offset)

    @property
    def is_sendable(self) -> bool:
        """False for a record of which something is missing, or that came from an unknown topic."""
        return self.topic in TOPICS and not INCOMPLETE & set(self.cause)

    @property
    def content(self) -> bytes:
        """The original body. Raises ValueError for base64 that is none."""
        return content_of(self.body, self.cause)


class DeadLetterQueue:
    """One service's dead letters. See `open_dead_letter_queue`."""

    def __init__(
        self,
        config: BrokerConfig,
        consumer: AIOKafkaConsumer,
        admin: AIOKafkaAdminClient,
        partitions: list[TopicPartition],
        group: str,
    ) -> None:
        self._config = config
        self._consumer = consumer
        self._admin = admin
        self._partitions = partitions
        self._group = group

    async def letters(self, *, settled: bool = False) -> list[QueuedLetter]:
        """The pending letters, oldest first; with `settled` also the settled ones that Kafka still keeps."""
        progress = await self._progress()
        letters = [_letter(r, progress[TopicPartition(r.topic, r.partition)]) async for r in self._records()]
        return sorted(
            (letter for letter in letters if settled or not letter.settled),
            key=lambda letter: (letter.at, *letter.partition_and_offset),
        )

    async def get(self, position: str) -> QueuedLetter:
        """Raises UserError `no_such_letter`."""
        for letter in await self.letters(settled=True):
            if letter.position == position:
                return letter
        raise UserError("no_such_letter", f"There is no dead letter {position}.", "See them with: list.")

    async def redrive(self, letters: Collection[QueuedLetter]) -> None:
        """Sends each letter to its topic again, in order, then settles them. Sending twice after a crash is harmless.

        Raises UserError `not_sendable` before anything is sent.
        """
        for letter in letters:
            if not letter.is_sendable:
                raise UserError(
                    "not_sendable",
                    f"The dead letter {letter.position} was truncated or came from an unknown topic.",
                    "Settle it with: discard.",
                )
        broker = publishing_broker(self._config)
        await broker.start()
        try:
            for letter in letters:
                topic = self._config.topic(letter.topic)
                await broker.publish(letter.content, topic, key=letter.key.encode(), headers=letter.headers)
        finally:
            await broker.stop()
        await self.discard(letters)

    async def discard(self, letters: Collection[QueuedLetter]) -> None:
        """Settles the letters without sending them."""
        progress = await self._progress()
        for letter in letters:
            partition, offset = letter.partition_and_offset
            progress[TopicPartition(self._partitions[0].topic, partition)].settle(offset)
        await self._consumer.commit({partition: settled.as_offset() for partition, settled in progress.items()})

    async def _progress(self) -> dict[TopicPartition, _SettledOffsets]:
        beginnings = await self._consumer.beginning_offsets(self._partitions)
        committed = await self._committed()
        return {tp: _SettledOffsets.of(committed.get(tp), beginnings[tp]) for tp in self._partitions}

    async def _committed(self) -> dict[TopicPartition, OffsetAndMetadata]:
        """Retries: a cluster that has never had a group takes a moment to appoint its coordinator."""
        retrying = AsyncRetrying(
            wait=backoff(0.1, 1.0),
            stop=stop_after_delay(COORDINATOR_S),
            retry=retry_if_exception_type(
                (GroupCoordinatorNotAvailableError, NotCoordinatorForGroupError, GroupLoadInProgressError)
            ),
            reraise=True,
        )
        return dict(await retrying(self._admin.list_consumer_group_offsets, self._group, partitions=self._partitions))

    async def _records(self) -> AsyncIterator[ConsumerRecord[bytes, bytes]]:
        ends = await self._consumer.end_offsets(self._partitions)
        await self._consumer.seek_to_beginning(*self._partitions)
        while [tp for tp in self._partitions if await self._consumer.position(tp) < ends[tp]]:
            for records in (await self._consumer.getmany(timeout_ms=FETCH_WAIT_MS * 4)).values():
                for record in records:
                    yield record


@asynccontextmanager
async def open_dead_letter_queue(config: BrokerConfig) -> AsyncIterator[DeadLetterQueue]:
    """Reads and sends without joining the service's consumer group. Raises aiokafka's KafkaError."""
    topic = config.topic(dead_letter_topic(config.service))
    group = f"{topic}.settled"
    partitions = await partitions_of(config, topic)
    consumer = AIOKafkaConsumer(
        client_id="retake-dead-letters",
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=FETCH_WAIT_MS,
        **config.options(),
    )
    admin = admin_client(config)
    try:
        await admin.start()
        await consumer.start()
        consumer.assign(partitions)
        yield DeadLetterQueue(config, consumer, admin, partitions, group)
    finally:
        await consumer.stop()
        await admin.close()


async def partitions_of(config: BrokerConfig, topic: str) -> list[TopicPartition]:
    """`topic` is as the broker calls it."""
    admin = admin_client(config)
    try:
        await admin.start()
        (description,) = await admin.describe_topics([topic])
        return [TopicPartition(topic, number) for number in sorted(p["partition"] for p in description["partitions"])]
    finally:
        await admin.close()


@dataclass
class _SettledOffsets:
    """Of one partition: everything before `next`, and the offsets after it in `out_of_order`."""

    next: int
    out_of_order: set[int]

    @classmethod
    def of(cls, committed: OffsetAndMetadata | None, beginning: int) -> _SettledOffsets:
        if committed is None or committed.offset < 0:
            return cls(beginning, set())
        settled = cls(max(committed.offset, beginning), {int(n) for n in committed.metadata.split(",") if n})
        settled._advance()
        return settled

    def __contains__(self, offset: int) -> bool:
        return offset < self.next or offset in self.out_of_order

    def settle(self, offset: int) -> None:
        if offset not in self:
            self.out_of_order.add(offset)
            self._advance()
        if len(self.out_of_order) > MAX_OUT_OF_ORDER:
            raise UserError(
                "too_many_out_of_order",
                "Too many dead letters were settled out of order.",
                "Settle the oldest ones first.",
            )

    def as_offset(self) -> tuple[int, str]:
        return self.next, ",".join(map(str, sorted(self.out_of_order)))

    def _advance(self) -> None:
        while self.next in self.out_of_order:
            self.out_of_order.discard(self.next)
            self.next += 1
        self.out_of_order = {n for n in self.out_of_order if n > self.next}


def _letter(record: ConsumerRecord[bytes, bytes], settled: _SettledOffsets) -> QueuedLetter:
    headers = {name: (value or b"").decode(errors="replace") for name, value in record.headers}
    cause = {name.removeprefix(PREFIX): value for name, value in headers.items() if name.startswith(PREFIX)}
    return QueuedLetter(
        position=f"{record.partition}:{record.offset}",
        at=datetime.fromtimestamp(record.timestamp / 1000, UTC),
        settled=record.offset in settled,
        topic=cause.get("topic", ""),
        key=_text(record.key),
        headers={name: value for name, value in headers.items() if not name.startswith(PREFIX)},
        body=_text(record.value),
        cause=cause,
    )


def _text(data: bytes | None) -> str:
    return (data or b"").decode(errors="replace")


def select_letters(letters: Iterable[QueuedLetter], positions: Collection[str]) -> list[QueuedLetter]:
    """The letters at these positions, or all if none is given. Raises UserError `no_such_letter`."""
    letters = list(letters)
    if not positions:
        return letters
    if unknown := set(positions) - {letter.position for letter in letters}:
        raise UserError(
            "no_such_letter", f"There is no pending dead letter {', '.join(sorted(unknown))}.", "See them with: list."
        )
    return [letter for letter in letters if letter.position in positions]
