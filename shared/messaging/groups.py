"""Services that are stopped: whether they are, in PostgreSQL and in Kafka, and where their consumer groups go on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupAuthorizationFailedError, for_code

from shared.contracts.topics import Service
from shared.core.errors import UserError
from shared.messaging.broker import BrokerConfig, admin_client
from shared.postgres.pool import Connection, Pool

LEFT_WITHIN_S: Final = 30.0  # the session of a member that was killed ends after 10 s
POLL_S: Final = 1.0

_SESSIONS: Final = """
    select count(*) from pg_stat_activity
    where datname = current_database() and application_name = $1 and pid <> pg_backend_pid()
"""


def services_running(what: str) -> UserError:
    return UserError(
        "services_running",
        f"{what} is still running.",
        "Stop every replica of what is being recovered, and start nothing before everything is recovered.",
    )


async def require_no_session(database: Connection | Pool, service: Service) -> None:
    """Raises UserError `services_running` while the service is connected to its database."""
    if await database.fetchval(_SESSIONS, f"retake-{service}"):
        raise services_running(service.value)


async def wait_until_left(config: BrokerConfig, services: Collection[Service]) -> None:
    """Waits for the sessions of members that were killed. Raises UserError `services_running`, `group_hidden`;
    aiokafka's KafkaError."""
    ends = time.monotonic() + LEFT_WITHIN_S
    admin = admin_client(config)
    await admin.start()
    try:
        while active := [s for s in services if await _has_members(admin, config.prefix + s.value)]:
            if time.monotonic() > ends:
                raise services_running(", ".join(active))
            await asyncio.sleep(POLL_S)
    finally:
        await admin.close()


async def _has_members(admin: AIOKafkaAdminClient, group: str) -> bool:
    [response] = await admin.describe_consumer_groups([group])
    [(code, _, _, _, _, members, *_)] = response.groups
    if for_code(code) is GroupAuthorizationFailedError:
        raise UserError(
            "group_hidden",
            f"This login may not see the group {group}.",
            "Use the operator's, which may read the groups of all services.",
        )
    if code:
        raise for_code(code)(group)
    return bool(members)


async def committed_offsets(config: BrokerConfig, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
    """Where the service's group goes on; a partition is missing if it never committed there."""
    admin = admin_client(config)
    await admin.start()
    try:
        found = await admin.list_consumer_group_offsets(config.group, partitions=partitions)
    finally:
        await admin.close()
    return {tp: at.offset for tp, at in found.items() if at.offset >= 0}


async def move_group(config: BrokerConfig, offsets: Mapping[TopicPartition, int]) -> None:
    """The service's group goes on there. Nobody may be in it."""
    consumer = AIOKafkaConsumer(
        client_id=f"{config.client_id}-recover",
        group_id=config.group,
        enable_auto_commit=False,
        **config.options(),
    )
    await consumer.start()
    try:
        consumer.assign(list(offsets))
        await consumer.commit(dict(offsets))
    finally:
        await consumer.stop()
