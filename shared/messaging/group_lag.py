"""Whether a service's whole consumer group, all replicas together, has read a topic."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog
from aiokafka.errors import KafkaError

from shared.messaging.broker import BrokerConfig, offsets_client, start_admin
from shared.messaging.dead_letter_queue import partitions_of

log = structlog.get_logger(__name__)

TIMEOUT_S: Final = 10.0


async def group_has_read(config: BrokerConfig, topic: str) -> bool:
    """Whether everything that was in the topic when this was called is applied: the group committed the end of each of
    its partitions, whoever owns it. False when the broker does not say."""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return await _has_read(config, topic)
    except (KafkaError, OSError, TimeoutError, AttributeError) as error:  # aiokafka 0.14: an error of one partition
        log.warning("group.unknown_lag", topic=topic, error=repr(error))
        return False


async def _has_read(config: BrokerConfig, topic: str) -> bool:
    partitions = await partitions_of(config, config.topic(topic))
    consumer = offsets_client(config)
    await consumer.start()
    try:
        ends = await consumer.end_offsets(partitions)  # before the commits: what comes later is not our question
        beginnings = await consumer.beginning_offsets(partitions)
    finally:
        await consumer.stop()
    admin = await start_admin(config)
    try:
        committed = await admin.list_consumer_group_offsets(config.group, partitions=partitions)
    finally:
        await admin.close()
    return all(max(committed[tp].offset if tp in committed else -1, beginnings[tp]) >= ends[tp] for tp in partitions)
