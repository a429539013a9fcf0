"""`python -m shared.messaging.topics`, as a Job or a container creates the topics before the services start."""

from __future__ import annotations

import asyncio

import pytest
from confluent_kafka.admin import AdminClient

from deploy.local.supervisor.preflight import free_port
from shared.contracts.topics import TOPICS, Service, dead_letter_topic
from shared.messaging.topics import main
from tests.support.brokers import APACHE_PARTITIONS, ApacheKafkaBroker
from tests.support.waiting import eventually


async def test_it_changes_nothing_that_exists(apache_kafka: ApacheKafkaBroker) -> None:
    assert await asyncio.to_thread(main, [apache_kafka.bootstrap, "--wait", "60"]) == 0
    admin = AdminClient({"bootstrap.servers": apache_kafka.bootstrap})
    wanted = set(TOPICS) | {dead_letter_topic(s) for s in Service}

    def as_before() -> bool:  # a broker learns of new topics a little after its controller
        found = admin.list_topics(timeout=10).topics
        return {len(found[name].partitions) if name in found else 0 for name in wanted} == {APACHE_PARTITIONS}

    await eventually(lambda: asyncio.to_thread(as_before), within=30, what="the topics")


def test_a_broker_that_does_not_answer_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    address = f"127.0.0.1:{free_port()}"
    assert main([address, "--wait", "0.5"]) == 1
    assert f"Kafka at {address} does not answer" in capsys.readouterr().err
