"""The floor of a latency: raw hops, each a commit of one row, a produce and a consume, with nothing else in between."""

from __future__ import annotations

import asyncio
import time
from uuid import uuid4

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from shared.messaging.broker import EMBEDDED_FETCH_WAIT_MS

TOPIC = "bench-floor"


async def floor(bootstrap: str, database: str, hops: int, rounds: int) -> list[float]:
    """Seconds of each round; the next hop begins when the last was consumed."""
    connection = await asyncpg.connect(database)
    await connection.execute("create table if not exists floor (id uuid)")
    consumer = AIOKafkaConsumer(TOPIC, bootstrap_servers=bootstrap, fetch_max_wait_ms=EMBEDDED_FETCH_WAIT_MS)
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True, acks="all")
    await consumer.start()
    await producer.start()
    times = []
    try:
        await producer.send_and_wait(TOPIC, b"warm", key=b"k")
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


async def _hop(connection: asyncpg.Connection, producer: AIOKafkaProducer, consumer: AIOKafkaConsumer) -> None:
    mark = uuid4()
    await connection.execute("insert into floor values ($1)", mark)
    await producer.send_and_wait(TOPIC, str(mark).encode(), key=b"k")
    while (await consumer.getone()).value != str(mark).encode():
        pass
