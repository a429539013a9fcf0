"""Components as containers, where a Docker engine answers."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from deploy.local.preflight import free_port
from tests.support.components import Missing


@cache
def answers() -> bool:
    """Whether a Docker engine is there. RETAKE_TESTS_DOCKER=0 does without it."""
    if os.environ.get("RETAKE_TESTS_DOCKER") == "0" or not shutil.which("docker"):
        return False
    try:
        done = subprocess.run(
            ["docker", "info", "--format", "{{.ServerVersion}}"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=10,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0 and bool(done.stdout.strip())


@contextmanager
def versitygw(version: str, access_key: str, secret_key: str) -> Iterator[str]:
    """Its endpoint."""
    from testcontainers.core.container import DockerContainer

    container = (
        DockerContainer(f"versity/versitygw:{version}")
        .with_env("ROOT_ACCESS_KEY", access_key)
        .with_env("ROOT_SECRET_KEY", secret_key)
        .with_command("--port :7070 posix /tmp")
        .with_exposed_ports(7070)
    )
    with _running(container):
        yield f"http://{container.get_container_host_ip()}:{container.get_exposed_port(7070)}"


@contextmanager
def apache_kafka(version: str) -> Iterator[str]:
    """Its bootstrap address. The port is chosen here, as the broker must advertise the one that clients use."""
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.waiting_utils import wait_for_logs

    port = free_port()
    container = DockerContainer(f"apache/kafka:{version}").with_bind_ports(port, port)
    settings = {
        "NODE_ID": "1",
        "PROCESS_ROLES": "broker,controller",
        "CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "LISTENERS": f"PLAINTEXT://:{port},CONTROLLER://:9093",
        "ADVERTISED_LISTENERS": f"PLAINTEXT://127.0.0.1:{port}",
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
    for name, value in settings.items():
        container = container.with_env(f"KAFKA_{name}", value)
    with _running(container):
        wait_for_logs(container, "Kafka Server started", timeout=90)
        yield f"127.0.0.1:{port}"


@contextmanager
def _running(container: object) -> Iterator[None]:
    from testcontainers.core.container import DockerContainer

    assert isinstance(container, DockerContainer)
    try:
        container.start()
    except Exception as e:  # docker-py's and requests' errors have no common root
        raise Missing(f"the container did not start: {e}") from e
    try:
        yield
    finally:
        container.stop()
