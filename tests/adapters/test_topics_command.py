"""`python -m shared.messaging.topics`, as a Job or a container creates the topics before the services start."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from deploy.local.supervisor.preflight import free_port
from shared.contracts.topics import TOPICS, Service, dead_letter_topic
from shared.messaging.topics import main
from tests.support.brokers import APACHE_PARTITIONS, ApacheKafkaBroker


async def test_it_changes_nothing_that_exists(apache_kafka: ApacheKafkaBroker) -> None:
    assert await asyncio.to_thread(main, [apache_kafka.bootstrap, "--wait", "60"]) == 0
    admin = AIOKafkaAdminClient(bootstrap_servers=apache_kafka.bootstrap)
    await admin.start()
    try:
        described = await admin.describe_topics()
    finally:
        await admin.close()
    partitions = {topic["topic"]: len(topic["partitions"]) for topic in described}
    wanted = set(TOPICS) | {dead_letter_topic(s) for s in Service}
    assert {partitions.get(name) for name in wanted} == {APACHE_PARTITIONS}


def test_a_broker_that_does_not_answer_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    address = f"127.0.0.1:{free_port()}"
    assert main([address, "--wait", "0.5"]) == 1
    assert f"Kafka at {address} does not answer" in capsys.readouterr().err
