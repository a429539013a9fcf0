"""Both sides of a topic, each with its own database: a producer's outbox and relay, a consumer's inbox."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord
from faststream.kafka import KafkaRouter

from shared.contracts.base import Event
from shared.contracts.topics import Service, consumed_by
from shared.core.clock import SystemClock
from shared.messaging.broker import EMBEDDED_FETCH_WAIT_MS, METADATA_MAX_AGE_MS, BrokerConfig
from shared.messaging.dead_letter_queue import partitions_of
from shared.messaging.events import Message
from shared.messaging.outbox import publish
from shared.messaging.relay import Relay
from shared.messaging.routers import Delivery, Handler, on
from shared.postgres.deferred_writes import DeferredWrites
from shared.postgres.pool import Connection, Pool, open_pool, transaction
from tests.support.brokers import RunningBroker, client_of

EFFECTS = """create table if not exists effects (
    seq bigint generated always as identity primary key, event_id uuid not null, key text not null, label text)"""


@dataclass(frozen=True)
class Side:
    """One service's database, with a table in which its handlers record their effects."""

    service: Service
    url: str
    pool: Pool

    async def publish(self, messages: Iterable[Message[Event]]) -> None:
        async with transaction(self.pool) as connection:
            await publish(connection, messages)

    def relay(self, broker: RunningBroker) -> Relay:
        return Relay(client_of(broker, self.service), self.url, clock=SystemClock())

    async def unpublished(self) -> int:
        return int(await self.pool.fetchval("select count(*) from outbox where published_at is null"))

    async def effects(self) -> list[str]:
        """The ids of the events that had an effect, in order."""
        return [r["event_id"] for r in await self.pool.fetch("select event_id from effects order by seq")]


@asynccontextmanager
async def side(service: Service, url: str) -> AsyncIterator[Side]:
    async with open_pool(url, size=5) as pool:
        await pool.execute(EFFECTS)
        yield Side(service, url, pool)


async def record_effect(delivery: Delivery[Any]) -> None:
    message = delivery.message
    await delivery.connection.execute(
        "insert into effects (event_id, key, label) values ($1, $2, $3)",
        message.envelope.id,
        message.event.key,
        getattr(message.event, "label", None),
    )


def router_of(service: Service, handler: Handler = record_effect) -> KafkaRouter:
    """The same handler for every event that the service consumes."""
    router = KafkaRouter()
    for topic in consumed_by(service):
        on(router, topic.event)(handler)
    return router


async def hand_over(connection: Connection, message: Message[Any], handlers: Mapping[str, Handler]) -> None:
    """Call the handler of one event as the consumer does, within the caller's transaction."""
    await handlers[message.topic](Delivery(message, connection))


async def hand_over_at_once(
    pool: Pool, first: Message[Any], second: Message[Any], handlers: Mapping[str, Handler]
) -> None:
    """Two replicas apply one event each: neither has committed when both have begun."""
    async with pool.acquire() as one, pool.acquire() as other:
        ours, theirs = one.transaction(), other.transaction()
        await ours.start()
        await theirs.start()
        await _apply(one, first, handlers)
        waiting = asyncio.create_task(_apply(other, second, handlers))
        await asyncio.wait({waiting}, timeout=0.3)  # it ends, or waits for the first
        await ours.commit()
        await waiting
        await theirs.commit()


async def _apply(connection: Connection, message: Message[Any], handlers: Mapping[str, Handler]) -> None:
    writes = DeferredWrites(connection)
    await hand_over(writes.as_connection(), message, handlers)
    await writes.flush()


def raw_producer(config: BrokerConfig) -> AIOKafkaProducer:
    return AIOKafkaProducer(
        bootstrap_servers=config.bootstrap, client_id=config.client_id, enable_idempotence=True, acks="all"
    )


def raw_consumer(config: BrokerConfig, *topics: str) -> AIOKafkaConsumer:
    """The member of the service's group, for a test that stands in for the service."""
    return AIOKafkaConsumer(
        *topics,
        bootstrap_servers=config.bootstrap,
        client_id=config.client_id,
        group_id=config.service.value,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=EMBEDDED_FETCH_WAIT_MS if config.embedded else 500,
        metadata_max_age_ms=METADATA_MAX_AGE_MS,
        session_timeout_ms=3_000 if config.embedded else 10_000,
        heartbeat_interval_ms=500 if config.embedded else 3_000,
    )


async def produce(
    broker: RunningBroker, topic: str, *records: tuple[str, bytes | None, list[tuple[str, bytes]]]
) -> None:
    """Produce records with these keys, bodies and headers, without an outbox."""
    producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap, max_request_size=8_000_000)
    await producer.start()
    try:
        for key, body, headers in records:
            await producer.send_and_wait(topic, value=body, key=key.encode(), headers=headers)
    finally:
        await producer.stop()


async def everything_on(broker: RunningBroker, topic: str) -> list[ConsumerRecord[bytes, bytes]]:
    """All records of a topic, in order per partition. Joins no group and commits nothing."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=broker.bootstrap, enable_auto_commit=False, auto_offset_reset="earliest", fetch_max_wait_ms=20
    )
    await consumer.start()
    try:
        partitions = await partitions_of(client_of(broker, Service.GATEWAY), topic)
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        found: list[ConsumerRecord[bytes, bytes]] = []
        while [tp for tp in partitions if await consumer.position(tp) < ends[tp]]:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found.extend(records)
        return found
    finally:
        await consumer.stop()


def header(record: ConsumerRecord[bytes, bytes], name: str) -> str | None:
    return next((value.decode() for key, value in record.headers if key == name), None)
