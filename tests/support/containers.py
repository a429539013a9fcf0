"""Real components as containers, by testcontainers, where a Docker engine responds.

The engine is found as the docker command finds it (`DOCKER_HOST`, else the local socket). `RETAKE_TESTS_DOCKER=0`
ignores it. tests/adapters/test_containers.py runs this module against a stub of the engine's API.
"""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import cache
from typing import Final
from uuid import uuid4

import docker
from docker.errors import DockerException
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

from deploy.local.supervisor.preflight import free_port
from tests.support.components import Missing

POSTGRES_IMAGE: Final = "postgres:18"
POSTGRES_PASSWORD: Final = "test"
START_TIMEOUT_S: Final = 90
PING_TIMEOUT_S: Final = 10


@cache
def engine_responds() -> bool:
    """Whether a Docker engine is there and wanted."""
    if os.environ.get("RETAKE_TESTS_DOCKER") == "0":
        return False
    try:
        client = docker.from_env(timeout=PING_TIMEOUT_S)
    except DockerException:
        return False
    try:
        return bool(client.ping())
    except (DockerException, OSError):
        return False
    finally:
        client.close()


@asynccontextmanager
async def postgres(settings: Mapping[str, str]) -> AsyncIterator[str]:
    """The URL of the superuser's database. The server may still be initialising: connect until it accepts.

    Raises Missing if the container cannot start.
    """
    container = (
        DockerContainer(POSTGRES_IMAGE)
        .with_env("POSTGRES_PASSWORD", POSTGRES_PASSWORD)
        .with_command([word for name, value in settings.items() for word in ("-c", f"{name}={value}")])
        .with_exposed_ports(5432)
    )
    async with _running(container):
        host, port = await _address(container, 5432)
        yield f"postgresql://postgres:{POSTGRES_PASSWORD}@{host}:{port}/postgres"


@asynccontextmanager
async def versitygw(version: str, access_key: str, secret_key: str) -> AsyncIterator[str]:
    """The endpoint of an S3 server. Raises Missing if the container cannot start."""
    container = (
        DockerContainer(f"versity/versitygw:{version}")
        .with_env("ROOT_ACCESS_KEY", access_key)
        .with_env("ROOT_SECRET_KEY", secret_key)
        .with_command("--port :7070 --health /health posix /tmp")
        .with_exposed_ports(7070)
    )
    async with _running(container):
        host, port = await _address(container, 7070)
        yield f"http://{host}:{port}"


@asynccontextmanager
async def fake_gcs_server(version: str) -> AsyncIterator[str]:
    """The endpoint of an emulator of Google Cloud Storage. Raises Missing if the container cannot start."""
    port = free_port()  # chosen here because the emulator must know it: uploads of several parts go where it says
    container = DockerContainer(f"fsouza/fake-gcs-server:{version.removeprefix('v')}").with_bind_ports(port, port)
    host = container.get_docker_client().host()
    container.with_command(
        f"-scheme http -backend memory -port {port} -external-url http://{host}:{port} -public-host {host}:{port}"
    )
    async with _running(container):
        yield f"http://{host}:{port}"


class KafkaContainer:
    """Apache Kafka on one port of the host, which it keeps when a new container replaces the old one."""

    def __init__(self, version: str) -> None:
        self._image = f"apache/kafka:{version}"
        self._port = free_port()  # chosen here because the broker must advertise the port that clients use
        self._container: DockerContainer | None = None
        self.bootstrap = ""

    async def start(self) -> None:
        """Start a new, empty broker with a new cluster id. Raises Missing."""
        container = DockerContainer(self._image).with_bind_ports(self._port, self._port)
        host = container.get_docker_client().host()
        self.bootstrap = f"{host}:{self._port}"
        for name, value in _kafka_environment(host, self._port).items():
            container = container.with_env(name, value)
        ready = LogMessageWaitStrategy("Kafka Server started").with_startup_timeout(START_TIMEOUT_S)
        self._container = container.waiting_for(ready)
        await _start(self._container)

    async def stop(self) -> None:
        """Remove the container and its data."""
        if self._container:
            await asyncio.to_thread(self._container.stop)
        self._container = None


def _kafka_environment(host: str, port: int) -> dict[str, str]:
    settings = {
        "NODE_ID": "1",
        "PROCESS_ROLES": "broker,controller",
        "CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "LISTENERS": f"PLAINTEXT://:{port},CONTROLLER://:9093",
        "ADVERTISED_LISTENERS": f"PLAINTEXT://{host}:{port}",
        "LISTENER_SECURITY_PROTOCOL_MAP": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "INTER_BROKER_LISTENER_NAME": "PLAINTEXT",
        "OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "AUTO_CREATE_TOPICS_ENABLE": "false",
        "MESSAGE_MAX_BYTES": "1100000",
    }
    # The image's default cluster id is a constant, and a lost cluster must come back with another one.
    cluster_id = base64.urlsafe_b64encode(uuid4().bytes).decode().rstrip("=")
    return {"CLUSTER_ID": cluster_id} | {f"KAFKA_{name}": value for name, value in settings.items()}


async def _address(container: DockerContainer, port: int) -> tuple[str, int]:
    return await asyncio.to_thread(lambda: (container.get_container_host_ip(), container.get_exposed_port(port)))


@asynccontextmanager
async def _running(container: DockerContainer) -> AsyncIterator[None]:
    try:
        await _start(container)
        yield
    finally:
        await asyncio.to_thread(container.stop)


async def _start(container: DockerContainer) -> None:
    try:
        await asyncio.to_thread(container.start)
    except Exception as e:  # the errors of docker and requests have no common base
        await asyncio.to_thread(container.stop)
        raise Missing(f"the container of {container.image} did not start: {e}") from e
