"""A real Apache Kafka on one machine: the contracts' topics, data that survive kill -9, and a system that uses it."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from deploy.local.parts.kafka import install
from deploy.local.parts.kafka.node import ApacheKafka
from shared.contracts.topics import TOPICS, Service, dead_letter_topic
from shared.core.errors import UserError
from tests.support.brokers import fetch_jars
from tests.support.components import COMPONENTS
from tests.unit.local.stub_system import Running


@pytest.fixture
def jars() -> None:
    with COMPONENTS.bring("apache-kafka"):
        fetch_jars()


@pytest.mark.usefixtures("jars")
async def test_topics_as_the_contracts_say_and_data_that_survive_a_crash(tmp_path: Path) -> None:
    kafka = ApacheKafka(tmp_path / "kafka")
    await kafka.start()
    try:
        await the_topics_are_as_the_contracts_say(kafka)
        producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, acks="all")
        await producer.start()
        await producer.send_and_wait("accepted", b"kept", key=b"a")
        await producer.stop()
        cluster = await cluster_id(kafka)
        await kafka.kill()
        await kafka.start()
        assert await cluster_id(kafka) == cluster
        consumer = AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap, auto_offset_reset="earliest")
        await consumer.start()
        consumer.assign([TopicPartition("accepted", 0)])
        assert (await consumer.getone()).value == b"kept"
        await consumer.stop()
        with Running(tmp_path / "data", kafka=kafka.bootstrap) as system:
            assert system.environment("review")["KAFKA_BOOTSTRAP"] == kafka.bootstrap
            assert system.environment("review")["KAFKA_EMBEDDED"] == "false"
    finally:
        await kafka.stop()


async def the_topics_are_as_the_contracts_say(kafka: ApacheKafka) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    try:
        assert set(await admin.list_topics()) == {*TOPICS, *map(dead_letter_topic, Service)}
        assert {len(t["partitions"]) for t in await admin.describe_topics(list(TOPICS))} == {1}
        for topic in TOPICS.values():
            resource = ConfigResource(ConfigResourceType.TOPIC, topic.name)
            (answer,) = await admin.describe_configs([resource])
            entries = answer.resources[0][4]
            found = {e[0]: e[1] for e in entries}
            assert {k: found[k] for k in topic.config} == topic.config
    finally:
        await admin.close()


async def cluster_id(kafka: ApacheKafka) -> str:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    try:
        return str((await admin.describe_cluster())["cluster_id"])
    finally:
        await admin.close()


@pytest.mark.usefixtures("jars")
def test_up_on_apache_kafka(tmp_path: Path) -> None:
    with Running(tmp_path / "data", broker="apache") as system:
        broker = system.parts()["broker"]
        assert broker.address == system.summary["kafka"]
        assert Path(f"/proc/{broker.process.pid}/comm").read_text().strip() == "java"


def test_without_java_or_maven_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("RETAKE_CACHE", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(UserError, match="java_missing"):
        install.java()
    with pytest.raises(UserError, match="maven_missing"):
        install.jars()
    old = tmp_path / "java"
    old.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\"' >&2\n")
    old.chmod(0o755)
    with pytest.raises(UserError, match="java_too_old"):
        install.java()
