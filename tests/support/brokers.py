"""The two Kafka brokers of the tests: the embedded one, new for every test, and one Apache Kafka for the whole run."""

from __future__ import annotations

import asyncio
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Final, Protocol

from confluent_kafka.admin import AdminClient, NewTopic

from deploy.local.parts.kafka import install
from deploy.local.parts.kafka.node import ApacheKafka
from deploy.local.parts.stores import EmbeddedBrokerPart
from deploy.local.supervisor.data_dir import DataDir
from deploy.local.supervisor.processes import Child
from shared.contracts.topics import TOPICS, Service, dead_letter_topic
from shared.core.errors import RetakeError
from shared.messaging.broker import BrokerConfig
from shared.messaging.topics import create_missing
from tests.support import containers, kafka_logins
from tests.support.background import Background
from tests.support.components import COMPONENTS, Missing
from tests.support.waiting import eventually

TOPIC_NAMES: Final = [*TOPICS, *(dead_letter_topic(s) for s in Service)]
APACHE_PARTITIONS: Final = 4
STOP_S: Final = 5.0
READY_S: Final = 200.0  # 4 s on two idle cores


class RunningBroker(Protocol):
    """A broker with all topics of Retake, empty when a test begins."""

    embedded: bool

    @property
    def bootstrap(self) -> str: ...

    async def lose_data(self) -> None:
        """Restart empty, with a new cluster id; the embedded broker also gets a new address."""
        ...


def client_of(running: RunningBroker, service: Service) -> BrokerConfig:
    """The service's connection to this broker."""
    return BrokerConfig(running.bootstrap, service, running.embedded)


class EmbeddedBroker:
    """librdkafka's in-memory broker, as `retake up` starts it."""

    embedded = True

    def __init__(self, data: DataDir) -> None:
        self._part = EmbeddedBrokerPart(data, TOPIC_NAMES)
        self._child: Child | None = None
        self.bootstrap = ""
        self.version = version("confluent-kafka")

    async def start(self) -> None:
        self._child = await self._part.launch({})
        self.bootstrap = await self._part.ready(self._child)

    async def stop(self) -> None:
        if self._child:
            await self._child.stop(STOP_S)
        self._child = None

    async def lose_data(self) -> None:
        await self.stop()
        await self.start()


@asynccontextmanager
async def embedded_broker(directory: Path) -> AsyncIterator[EmbeddedBroker]:
    data = DataDir.of(directory)
    data.logs.mkdir(parents=True)
    broker = EmbeddedBroker(data)
    await broker.start()
    try:
        yield broker
    finally:
        await broker.stop()


class ApacheBroker:
    """A local Apache Kafka process, kept for the whole run; `wipe` empties it for the next test."""

    embedded = False

    def __init__(self, node: ApacheKafka, directory: Path, background: Background) -> None:
        self._node = node
        self._directory = directory
        self._background = background

    @property
    def bootstrap(self) -> str:
        return self._node.bootstrap

    @property
    def secured(self) -> str:
        """The address with TLS and logins of tests/support/kafka_logins.py."""
        return self._node.second_bootstrap

    @property
    def tls(self) -> Path:
        """The folder with its certificates."""
        return self._directory / "tls"

    async def lose_data(self) -> None:
        await self.kill()
        self.forget()
        await self.start()

    def forget(self) -> None:
        """Lose the data of a broker that does not run."""
        shutil.rmtree(self._directory / "data")

    async def start(self) -> None:
        await self._background.run(self._node.start())

    async def stop(self) -> None:
        await self._background.run(self._node.stop())

    async def kill(self) -> None:
        """Stop without a shutdown, as in a power failure; `start` continues with the data."""
        await self._background.run(self._node.kill())

    def signal(self, how: signal.Signals) -> None:
        self._node.signal(how)

    async def wipe(self) -> None:
        await wipe(self.bootstrap)


class ContainedBroker:
    """Apache Kafka in a container; losing its data means a new container on the same port."""

    embedded = False

    def __init__(self, container: containers.KafkaContainer, partitions: int) -> None:
        self._container = container
        self._partitions = partitions

    @property
    def bootstrap(self) -> str:
        return self._container.bootstrap

    async def lose_data(self) -> None:
        await self.stop()
        await self.start()

    async def start(self) -> None:
        await self._container.start()
        await create_missing(self.bootstrap, partitions=self._partitions, replicas=1)

    async def stop(self) -> None:
        await self._container.stop()

    async def wipe(self) -> None:
        await wipe(self.bootstrap)


ApacheKafkaBroker = ApacheBroker | ContainedBroker


@asynccontextmanager
async def apache_kafka(directory: Path, partitions: int = APACHE_PARTITIONS) -> AsyncIterator[ApacheKafkaBroker]:
    """A container where a Docker engine responds, else a local process from Maven's jars. Raises Missing."""
    if containers.engine_responds():
        contained = ContainedBroker(containers.KafkaContainer(install.VERSION), partitions)
        await contained.start()
        COMPONENTS.has("apache-kafka", f"apache-kafka {install.VERSION} (container)")
        try:
            yield contained
        finally:
            await contained.stop()
        return
    await asyncio.to_thread(fetch_jars)
    try:
        with Background() as background:
            second = kafka_logins.listener(directory / "tls")
            node = ApacheKafka(directory, partitions=partitions, second=second, ready_timeout_s=READY_S)
            broker = ApacheBroker(node, directory, background)
            await broker.start()
            COMPONENTS.has("apache-kafka", f"apache-kafka {install.VERSION}")
            try:
                yield broker
            finally:
                await broker.stop()
    except RetakeError as e:
        raise Missing(e.cause) from e


def fetch_jars() -> Path:
    """Make sure that Java and Kafka's jars are available; returns the folder of the jars. Raises Missing."""
    try:
        install.java()
        return install.jars()
    except RetakeError as e:
        raise Missing(e.cause.rstrip(".").replace("\n", " ")) from e


async def delete_topic(bootstrap: str, name: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    await asyncio.to_thread(admin.delete_topics([name], operation_timeout=10)[name].result)
    await eventually(lambda: name not in admin.list_topics(timeout=10).topics, what="the topic to be gone")


async def recreate_topic(bootstrap: str, name: str, config: dict[str, str]) -> None:
    """Delete a topic and create it with `config`. A changed configuration takes effect some time after the broker has
    confirmed it; that of a new topic is there from its first record on."""
    await delete_topic(bootstrap, name)
    topic = NewTopic(name, num_partitions=APACHE_PARTITIONS, replication_factor=1, config=config)
    admin = AdminClient({"bootstrap.servers": bootstrap})
    await asyncio.to_thread(admin.create_topics([topic])[name].result)


async def wipe(bootstrap: str) -> None:
    """Delete and recreate all topics. Consumer groups lose their offsets with them; a new node would take ten times as
    long."""
    admin = AdminClient({"bootstrap.servers": bootstrap})

    def deleted() -> bool:
        return not set(TOPIC_NAMES) & set(admin.list_topics(timeout=10).topics)

    def delete() -> None:
        for future in admin.delete_topics(TOPIC_NAMES, operation_timeout=10).values():
            future.result()

    await asyncio.to_thread(delete)
    await eventually(lambda: asyncio.to_thread(deleted), what="the deletion of the topics")
    await create_missing(bootstrap, partitions=APACHE_PARTITIONS, replicas=1)
