"""The floor of a latency: raw hops, each a commit of one row, a produce and a consume, and nothing else.

The consumer is already waiting when a record is produced, as in a service.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from uuid import uuid4

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import NewTopic
from aiokafka.errors import TopicAlreadyExistsError

from shared.contracts.topics import Service
from shared.messaging.broker import EMBEDDED_FETCH_WAIT_MS, BrokerConfig, admin_client
from tests.support.messaging import raw_producer

TOPIC = "bench-floor"


async def floor(bootstrap: str, database: str, hops: int, rounds: int, *, embedded: bool) -> list[float]:
    """Seconds of each round; a hop starts when the previous one was consumed."""
    connection = await asyncpg.connect(database)
    await connection.execute("create table if not exists floor (id uuid)")
    broker = BrokerConfig(bootstrap, Service.REVIEW, embedded)
    if not embedded:  # that one makes topics by itself
        await _topic(broker)
    producer = raw_producer(broker)
    consumer = AIOKafkaConsumer(
        TOPIC, bootstrap_servers=bootstrap, fetch_max_wait_ms=EMBEDDED_FETCH_WAIT_MS if embedded else 500
    )
    await producer.start()
    await producer.send_and_wait(TOPIC, b"warm", key=b"k")
    await consumer.start()
    times = []
    try:
        for _ in range(rounds):
            began = time.perf_counter()
            for _ in range(hops):
                await _hop(connection, producer, consumer)
            times.append(time.perf_counter() - began)
            await asyncio.sleep(0.01)
    finally:
        await consumer.stop()
        await producer.stop()
        await connection.close()
    return times


async def _topic(broker: BrokerConfig) -> None:
    admin = admin_client(broker)
    await admin.start()
    try:
        with suppress(TopicAlreadyExistsError):
            await admin.create_topics([NewTopic(TOPIC, num_partitions=1, replication_factor=1)])
    finally:
        await admin.close()


async def _hop(connection: asyncpg.Connection, producer: AIOKafkaProducer, consumer: AIOKafkaConsumer) -> None:
    mark = uuid4()
    waiting = asyncio.create_task(_arrival(consumer, str(mark).encode()))
    await connection.execute("insert into floor values ($1)", mark)
    await producer.send_and_wait(TOPIC, str(mark).encode(), key=b"k")
    await waiting


async def _arrival(consumer: AIOKafkaConsumer, value: bytes) -> None:
    while (await consumer.getone()).value != value:
        pass
