"""Creation of the contracts' topics on a broker that accepts admin requests."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from shared.contracts.topics import PARTITIONS, TOPICS, Service, dead_letter_topic
from shared.core.errors import Permanent, UserError

RETRY_S: Final = 0.1
REACH_TIMEOUT_S: Final = 15.0
MAX_REPLICAS: Final = 3


async def create_missing(bootstrap: str, *, partitions: int, replicas: int) -> None:
    """Create every topic and dead-letter topic that is missing; retries until the broker answers.

    Raises Permanent if the broker refuses a topic.
    """
    while True:
        with suppress(KafkaError, OSError, TimeoutError):
            await _create_missing(bootstrap, partitions, replicas)
            return
        await asyncio.sleep(RETRY_S)


async def use_existing(bootstrap: str) -> None:
    """Create the missing topics on an existing Kafka. Raises UserError if it does not answer within 15 s."""
    try:
        async with asyncio.timeout(REACH_TIMEOUT_S):
            await create_missing(bootstrap, partitions=PARTITIONS, replicas=MAX_REPLICAS)
    except TimeoutError:
        raise UserError(
            "kafka_unreachable", f"Kafka at {bootstrap} does not answer.", "Check the address in --kafka HOST:PORT."
        ) from None


async def _create_missing(bootstrap: str, partitions: int, replicas: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, client_id="retake-up", request_timeout_ms=5000)
    try:
        await admin.start()
        brokers = (await admin.describe_cluster())["brokers"]
        existing = set(await admin.list_topics())
        missing = [t for t in _wanted(partitions, min(replicas, len(brokers))) if t.name not in existing]
        if missing:
            _check(await admin.create_topics(missing))
    finally:
        await admin.close()


def _wanted(partitions: int, replicas: int) -> list[NewTopic]:
    ours = [NewTopic(t.name, partitions, replicas, topic_configs=t.config) for t in TOPICS.values()]
    return ours + [NewTopic(dead_letter_topic(s), partitions, replicas) for s in Service]


def _check(response: object) -> None:
    for name, code, *rest in response.topic_errors:  # type: ignore[attr-defined]
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            if getattr(error, "retriable", False):
                raise error
            raise Permanent("topic_refused", f"Kafka refused the topic {name}: {error.__name__} {rest}")
