"""Pacing for a broker that keeps little: publish a portion, wait until the consumers' groups have read it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Final

import structlog
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from shared.contracts.topics import TOPICS
from shared.messaging.broker import Broker, start_until_reachable

log = structlog.get_logger(__name__)

PATIENCE_S: Final = 60.0  # a consumer that is down for longer reads what the broker still has, and the next replay
POLL_S: Final = 0.05


class Backpressure:
    """Counts what went out since the groups were last known to have read everything; at `limit` bytes it waits."""

    def __init__(self, broker: Broker, limit: int) -> None:
        self._broker = broker
        self._limit = limit
        self._unread = 0
        self._ends: dict[TopicPartition, int] = {}

    async def after(self, records: Iterable[Any], size: int) -> None:
        """`records` are the acknowledgements of one flush, `size` its bytes."""
        for r in records:
            if r.topic in TOPICS:
                self._ends[r.topic_partition] = r.offset + 1
        self._unread += size
        if self._unread >= self._limit:
            await self._wait_until_read()
            self._unread = 0
            self._ends.clear()

    async def _wait_until_read(self) -> None:
        admin = await start_until_reachable(self._broker.admin, what="admin")
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not await self._all_read(admin):  # noqa: ASYNC110 the broker sends no event for it
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            log.warning("relay.consumers_behind", waited_s=PATIENCE_S)
        finally:
            await admin.close()

    async def _all_read(self, admin: AIOKafkaAdminClient) -> bool:
        groups = {service for tp in self._ends for service in TOPICS[tp.topic].consumers}
        for group in groups:
            mine = {tp: end for tp, end in self._ends.items() if group in TOPICS[tp.topic].consumers}
            try:
                read = await admin.list_consumer_group_offsets(group.value, partitions=list(mine))
            except (KafkaError, AttributeError):  # a partition's error makes aiokafka 0.14 stumble over its own report
                return False
            if any(tp not in read or read[tp].offset < end for tp, end in mine.items()):
                return False
        return True
