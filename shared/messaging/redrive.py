"""Dead letters, for an operator: look at them, send them again, or let them go. Works on Kafka alone.

A letter goes back to the topic it came from, as it came: the consumer that failed has not seen it, every other one
knows its id. What is settled is remembered in Kafka too, as the offsets of a group of its own; letters settled out
of turn are listed in the offset's metadata.
"""

from __future__ import annotations

import asyncio
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

from shared.contracts.topics import TOPICS, Service, dead_letter_topic
from shared.core.errors import UserError
from shared.messaging.broker import BrokerConfig, admin_client, publishing_broker
from shared.messaging.dead_letters import PREFIX

FETCH_WAIT_MS: Final = 50
COORDINATOR_S: Final = 20.0
MAX_OUT_OF_TURN: Final = 500  # Kafka keeps 4,096 bytes of metadata with an offset


@dataclass(frozen=True)
class Letter:
    """A record that a consumer put aside. `position` names it: PARTITION:OFFSET in the dead-letter topic."""

    position: str
    at: datetime
    settled: bool
    topic: str
    key: str
    headers: dict[str, str]
    body: str
    cause: dict[str, str]

    @property
    def place(self) -> tuple[int, int]:
        """Partition and offset."""
        partition, offset = self.position.split(":")
        return int(partition), int(offset)

    @property
    def sendable(self) -> bool:
        """An over-long one was cut, and is kept for looking at only."""
        return self.topic in TOPICS and "truncated" not in self.cause


class DeadLetterBox:
    """One service's dead letters. See `open_box`."""

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

    async def letters(self, *, settled: bool = False) -> list[Letter]:
        """Those that wait for somebody, oldest first; with `settled` the others too, as long as Kafka keeps them."""
        marks = await self._marks()
        found = [_letter(r, marks[TopicPartition(r.topic, r.partition)]) async for r in self._records()]
        return sorted((x for x in found if settled or not x.settled), key=lambda x: (x.at, *x.place))

    async def get(self, position: str) -> Letter:
        for letter in await self.letters(settled=True):
            if letter.position == position:
                return letter
        raise UserError("no_such_letter", f"There is no dead letter {position}.", "See them with: list.")

    async def redrive(self, letters: Collection[Letter]) -> None:
        """Send each to its topic again, in order, then settle it. If we die in between it is sent twice: harmless."""
        for letter in letters:
            if not letter.sendable:
                raise UserError(
                    "not_sendable",
                    f"The dead letter {letter.position} was cut or has no topic of ours.",
                    "Settle it with: discard.",
                )
        broker = publishing_broker(self._config)
        await broker.start()
        try:
            for letter in letters:
                await broker.publish(
                    letter.body.encode(), letter.topic, key=letter.key.encode(), headers=letter.headers
                )
        finally:
            await broker.stop()
        await self.discard(letters)

    async def discard(self, letters: Collection[Letter]) -> None:
        """Settle without sending."""
        marks = await self._marks()
        for letter in letters:
            partition, offset = letter.place
            marks[TopicPartition(self._partitions[0].topic, partition)].settle(offset)
        await self._consumer.commit({tp: mark.as_offset() for tp, mark in marks.items()})

    async def _marks(self) -> dict[TopicPartition, _Mark]:
        begin = await self._consumer.beginning_offsets(self._partitions)
        kept = await self._kept()
        return {tp: _Mark.of(kept.get(tp), begin[tp]) for tp in self._partitions}

    async def _kept(self) -> dict[TopicPartition, OffsetAndMetadata]:
        """A cluster that has never had a group takes a moment to appoint its coordinator."""
        async with asyncio.timeout(COORDINATOR_S):
            while True:
                try:
                    return dict(await self._admin.list_consumer_group_offsets(self._group, partitions=self._partitions))
                except (GroupCoordinatorNotAvailableError, NotCoordinatorForGroupError, GroupLoadInProgressError):
                    await asyncio.sleep(0.2)

    async def _records(self) -> AsyncIterator[ConsumerRecord[bytes, bytes]]:
        ends = await self._consumer.end_offsets(self._partitions)
        await self._consumer.seek_to_beginning(*self._partitions)
        while [tp for tp in self._partitions if await self._consumer.position(tp) < ends[tp]]:
            for records in (await self._consumer.getmany(timeout_ms=FETCH_WAIT_MS * 4)).values():
                for record in records:
                    yield record


@asynccontextmanager
async def open_box(bootstrap: str, service: Service) -> AsyncIterator[DeadLetterBox]:
    """Reads and sends with no part in the service's own group. Errors are aiokafka's KafkaError."""
    config = BrokerConfig(bootstrap, service)
    group = f"{dead_letter_topic(service)}.settled"
    partitions = await partitions_of(config, dead_letter_topic(service))
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        client_id="retake-dead-letters",
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=FETCH_WAIT_MS,
    )
    admin = admin_client(config)
    try:
        await admin.start()
        await consumer.start()
        consumer.assign(partitions)
        yield DeadLetterBox(config, consumer, admin, partitions, group)
    finally:
        await consumer.stop()
        await admin.close()


async def partitions_of(config: BrokerConfig, topic: str) -> list[TopicPartition]:
    admin = admin_client(config)
    try:
        await admin.start()
        (told,) = await admin.describe_topics([topic])
        return [TopicPartition(topic, p["partition"]) for p in sorted(told["partitions"], key=lambda p: p["partition"])]
    finally:
        await admin.close()


@dataclass
class _Mark:
    """Of one partition: everything before `next` is settled, and these after it."""

    next: int
    out_of_turn: set[int]

    @classmethod
    def of(cls, kept: OffsetAndMetadata | None, begin: int) -> _Mark:
        if kept is None or kept.offset < 0:
            return cls(begin, set())
        mark = cls(max(kept.offset, begin), {int(n) for n in kept.metadata.split(",") if n})
        mark._advance()
        return mark

    def __contains__(self, offset: int) -> bool:
        return offset < self.next or offset in self.out_of_turn

    def settle(self, offset: int) -> None:
        if offset not in self:
            self.out_of_turn.add(offset)
            self._advance()
        if len(self.out_of_turn) > MAX_OUT_OF_TURN:
            raise UserError(
                "too_many_out_of_turn",
                "Too many dead letters were settled out of turn.",
                "Settle the oldest ones first.",
            )

    def as_offset(self) -> tuple[int, str]:
        return self.next, ",".join(map(str, sorted(self.out_of_turn)))

    def _advance(self) -> None:
        while self.next in self.out_of_turn:
            self.out_of_turn.discard(self.next)
            self.next += 1
        self.out_of_turn = {n for n in self.out_of_turn if n > self.next}


def _letter(record: ConsumerRecord[bytes, bytes], mark: _Mark) -> Letter:
    headers = {name: (value or b"").decode(errors="replace") for name, value in record.headers}
    cause = {name.removeprefix(PREFIX): value for name, value in headers.items() if name.startswith(PREFIX)}
    return Letter(
        position=f"{record.partition}:{record.offset}",
        at=datetime.fromtimestamp(record.timestamp / 1000, UTC),
        settled=record.offset in mark,
        topic=cause.get("topic", ""),
        key=_text(record.key),
        headers={name: value for name, value in headers.items() if not name.startswith(PREFIX)},
        body=_text(record.value),
        cause=cause,
    )


def _text(data: bytes | None) -> str:
    return (data or b"").decode(errors="replace")


def chosen(letters: Iterable[Letter], positions: Collection[str]) -> list[Letter]:
    """The letters at these positions, all of them if none is named. UserError for one that is not there."""
    letters = list(letters)
    if not positions:
        return letters
    if unknown := set(positions) - {x.position for x in letters}:
        raise UserError(
            "no_such_letter", f"There is no unsettled dead letter {', '.join(sorted(unknown))}.", "See them with: list."
        )
    return [x for x in letters if x.position in positions]
