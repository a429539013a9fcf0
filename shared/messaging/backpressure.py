"""Backpressure for a broker that keeps little: publish a portion, then wait until the consumer groups have read it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

import structlog
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.structs import RecordMetadata

from shared.contracts.topics import TOPICS
from shared.messaging.broker import BrokerConfig, start_admin

log = structlog.get_logger(__name__)

TIMEOUT_S: Final = 60.0  # a consumer that is down for longer reads what the broker still has, and the next replay
POLL_S: Final = 0.05


class Backpressure:
    """Counts the bytes published since the groups were last known to have read everything; waits at `limit`."""

    def __init__(self, config: BrokerConfig, limit: int) -> None:
        self._config = config
        self._limit = limit
        self._unread = 0
        self._ends: dict[TopicPartition, int] = {}

    async def after(self, records: Iterable[RecordMetadata], size: int) -> None:
        """Call it after each flush: `records` are its acknowledgements, `size` its bytes."""
        for record in records:
            if record.topic in TOPICS:
                self._ends[record.topic_partition] = record.offset + 1
        self._unread += size
        if self._unread >= self._limit:
            await self._wait_until_read()
            self._unread = 0
            self._ends.clear()

    async def _wait_until_read(self) -> None:
        admin = await start_admin(self._config)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                while not await self._all_read(admin):  # noqa: ASYNC110 the broker does not notify
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            log.warning("relay.consumers_behind", waited_s=TIMEOUT_S)
        finally:
            await admin.close()

    async def _all_read(self, admin: AIOKafkaAdminClient) -> bool:
        groups = {service for tp in self._ends for service in TOPICS[tp.topic].consumers}
        for group in groups:
            expected = {tp: end for tp, end in self._ends.items() if group in TOPICS[tp.topic].consumers}
            try:
                read = await admin.list_consumer_group_offsets(group.value, partitions=list(expected))
            except (KafkaError, AttributeError):  # aiokafka 0.14 fails to report a partition's error
                return False
            if any(tp not in read or read[tp].offset < end for tp, end in expected.items()):
                return False
        return True
