"""Components as containers, against a stub of the Docker Engine API: what is created, awaited and removed.

What only an engine can show (pulling images, the images themselves, published ports, the reaper) is not covered here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from testcontainers.core.config import ConnectionMode, testcontainers_config

from tests.support import brokers, containers, gcs, s3
from tests.support.components import COMPONENTS, Missing
from tests.support.docker_stub import DockerStub, docker_stub
from tests.support.postgres import Postgres, postgres_server


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[DockerStub]:
    """A stub engine that testcontainers finds; its reaper, itself a container, stays off."""
    with docker_stub() as stub:
        monkeypatch.setenv("DOCKER_HOST", stub.url)
        monkeypatch.delenv("RETAKE_TESTS_DOCKER", raising=False)
        monkeypatch.setattr(testcontainers_config, "ryuk_disabled", True)
        # The tests themselves may run in a container, whose gateway would then be asked for.
        monkeypatch.setattr(testcontainers_config, "connection_mode_override", ConnectionMode.docker_host)
        monkeypatch.setattr(COMPONENTS, "covered", {})
        containers.engine_responds.cache_clear()
        yield stub
    containers.engine_responds.cache_clear()


def test_an_engine_is_used_where_one_responds(engine: DockerStub, monkeypatch: pytest.MonkeyPatch) -> None:
    assert containers.engine_responds()
    containers.engine_responds.cache_clear()
    monkeypatch.setenv("RETAKE_TESTS_DOCKER", "0")
    assert not containers.engine_responds()
    monkeypatch.delenv("RETAKE_TESTS_DOCKER")
    containers.engine_responds.cache_clear()
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")
    assert not containers.engine_responds()


async def test_postgresql_comes_from_a_container(postgres: Postgres, engine: DockerStub, tmp_path: Path) -> None:
    """The server behind the mapped port is the embedded one, which has the same superuser."""
    port = int(postgres.admin_url.rpartition(":")[2].partition("/")[0])
    engine.listeners["postgres:"] = (5432, port)
    async with postgres_server(tmp_path) as server:
        [created] = engine.containers
        assert created.image == containers.POSTGRES_IMAGE
        assert created.environment["POSTGRES_PASSWORD"] == containers.POSTGRES_PASSWORD
        assert "fsync=off" in created.command
        assert (server.kind, server.version) == ("container", postgres.version)
        assert server.admin_url.endswith(f":{port}/postgres")
    assert created.removed


async def test_a_broker_that_lost_its_data_is_a_new_container_on_the_same_port(
    engine: DockerStub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    topics_made: list[str] = []

    async def create_missing(bootstrap: str, **_: Any) -> None:
        topics_made.append(bootstrap)

    monkeypatch.setattr(brokers, "create_missing", create_missing)
    async with brokers.apache_kafka(tmp_path) as broker:
        before = broker.bootstrap
        await broker.lose_data()
        assert broker.bootstrap == before
        first, second = engine.containers
        assert (first.removed, second.removed) == (True, False)
        assert first.environment["CLUSTER_ID"] != second.environment["CLUSTER_ID"]
        port = before.rpartition(":")[2]
        assert [c.request["HostConfig"]["PortBindings"][f"{port}/tcp"][0]["HostPort"] for c in (first, second)] == [
            port,
            port,
        ]
        assert first.environment["KAFKA_ADVERTISED_LISTENERS"] == f"PLAINTEXT://{before}"
    assert second.removed
    assert topics_made == [before, before]
    assert COMPONENTS.covered["apache-kafka"].endswith("(container)")


async def _says_ok(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readline()
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    writer.close()


async def test_s3_comes_from_a_container(engine: DockerStub, tmp_path: Path) -> None:
    async with await asyncio.start_server(_says_ok, "127.0.0.1", 0) as listener:
        port = listener.sockets[0].getsockname()[1]
        engine.listeners["versity/"] = (7070, port)
        async with s3.s3_server(tmp_path) as server:
            [created] = engine.containers
            assert created.environment["ROOT_ACCESS_KEY"] == s3.ACCESS_KEY
            assert server.endpoint == f"http://127.0.0.1:{port}"
            assert server.checks_signatures
        assert created.removed
    assert COMPONENTS.covered["s3"].endswith("(container)")


async def test_the_emulator_of_google_cloud_storage_comes_from_a_container(
    engine: DockerStub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with await asyncio.start_server(_says_ok, "127.0.0.1", 0) as listener:
        port = listener.sockets[0].getsockname()[1]
        monkeypatch.setattr(containers, "free_port", lambda: port)
        async with gcs.gcs_server(tmp_path) as server:
            [created] = engine.containers
            assert f"-port {port} -external-url {server.endpoint} " in " ".join(created.command)
            assert server.endpoint == f"http://127.0.0.1:{port}"
        assert created.removed
    assert COMPONENTS.covered["gcs"].endswith("(container)")


async def test_a_container_that_does_not_start_skips_its_tests_by_name(engine: DockerStub, tmp_path: Path) -> None:
    engine.refuse_to_start = True
    with pytest.raises(Missing, match=r"container of postgres:18 did not start: .*no space left"):
        async with postgres_server(tmp_path):
            pass
    assert all(container.removed for container in engine.containers)
