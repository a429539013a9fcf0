"""The four services as processes with a durable embedded PostgreSQL, a broker and an instant provider."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import httpx

from bench._loop import Person
from deploy.local.supervisor.preflight import free_port
from services.gateway.api.auth.tokens import LocalTokens
from shared.contracts.topics import Service
from shared.core.clock import SystemClock
from tests.support.brokers import RunningBroker, apache_kafka, embedded_broker
from tests.support.postgres import Postgres, embedded_postgres

SECRET: Final = "a secret of the benchmark of at least thirty-two bytes"
READY_S: Final = 240
STOP_S: Final = 15
PLENTY: Final = "1000000"


@dataclass
class Replica:
    """A process of a service, which can be ended and started again at its port."""

    service: Service
    port: int
    folder: Path
    env: Mapping[str, str]
    process: Process | None = None

    async def start(self) -> None:
        self.process = await start_service(self.service, self.env, self.folder)

    async def ready(self) -> None:
        assert self.process
        await service_ready(self.port, self.process)

    async def stop(self) -> None:
        if self.process:
            await stop_service(self.process)


@dataclass(frozen=True)
class Stack:
    replicas: Mapping[Service, list[Replica]]
    databases: Mapping[Service, str]
    token: str
    kafka: str
    embedded: bool
    postgres: Postgres

    @property
    def gateways(self) -> list[str]:
        return [f"http://127.0.0.1:{r.port}" for r in self.replicas[Service.GATEWAY]]

    @property
    def gateway(self) -> str:
        return self.gateways[0]

    @property
    def pids(self) -> dict[str, list[int]]:
        """Of each service, its processes."""
        return {s.value: [r.process.pid for r in group if r.process] for s, group in self.replicas.items()}

    @asynccontextmanager
    async def person(self, number: int = 0) -> AsyncIterator[Person]:
        """Users are spread over the gateways."""
        async with Person.signed_in(self.gateways[number % len(self.gateways)], self.token) as person:
            yield person


@asynccontextmanager
async def stack(folder: Path, *, apache: bool = False, replicas: int = 1, partitions: int = 4) -> AsyncIterator[Stack]:
    """On the embedded broker, or on Apache Kafka with so many partitions. Raises tests.support.components.Missing."""
    async with AsyncExitStack() as resources:
        postgres = await resources.enter_async_context(embedded_postgres(folder / "postgres", durable=True))
        opened = apache_kafka(folder / "broker", partitions) if apache else embedded_broker(folder / "broker")
        broker: RunningBroker = await resources.enter_async_context(opened)
        databases = {service: await postgres.fresh(service) for service in Service}
        made: dict[Service, list[Replica]] = {}
        for service in Service:
            made[service] = []
            for number in range(replicas):
                port, own = free_port(), folder / f"{service}-{number}"
                own.mkdir()
                env = service_env(service, port, databases[service], broker, folder, own)
                replica = Replica(service, port, own, env)
                resources.push_async_callback(replica.stop)
                await replica.start()
                made[service].append(replica)
        async with asyncio.timeout(READY_S):
            await asyncio.gather(*(replica.ready() for group in made.values() for replica in group))
        token = LocalTokens(SECRET, issuer="retake", audience="retake", clock=SystemClock()).issue(
            "local", "Local", timedelta(hours=2)
        )
        yield Stack(made, databases, token, broker.bootstrap, broker.embedded, postgres)


def service_env(
    service: Service, port: int, database: str, broker: RunningBroker, folder: Path, own: Path
) -> dict[str, str]:
    """Replicas share what is in `folder`; each works in its `own`."""
    settings = {
        "DATABASE_URL": database,
        "KAFKA_BOOTSTRAP": broker.bootstrap,
        "KAFKA_EMBEDDED": str(broker.embedded).lower(),
        "PORT": str(port),
        "OBJECTS_URL": f"file://{folder}/objects",
        "WORK_DIR": str(own / "work"),
        "SIGNING_DIR": str(folder / "signing"),
        "LOG_LEVEL": "WARNING",
    }
    if service is Service.GATEWAY:
        settings |= {
            "JWT_SECRET": SECRET,
            "MEDIA_SECRET": SECRET,
            "LOCAL_MODE": "true",
            "RATE_QUOTA": PLENTY,
            "STREAMS_PER_USER": PLENTY,
        }
    if service is Service.GENERATOR:
        settings |= {"DRAWINGS_AT_ONCE": "16"}
    return os.environ | {f"{service.upper()}_{name}": value for name, value in settings.items()}


@asynccontextmanager
async def running_service(service: Service, env: Mapping[str, str], folder: Path) -> AsyncIterator[Process]:
    process = await start_service(service, env, folder)
    try:
        yield process
    finally:
        await stop_service(process)


async def start_service(service: Service, env: Mapping[str, str], folder: Path) -> Process:
    command = ["-m", "shared.web.server", service.value]
    if service is Service.GENERATOR:
        command = [
            "-m",
            "uvicorn",
            "--factory",
            "bench._instant:create_app",
            "--port",
            env["GENERATOR_PORT"],
            "--log-level",
            "error",
        ]
    with (folder / f"{service}.log").open("ab") as log:
        return await asyncio.create_subprocess_exec(sys.executable, *command, env=env, stdout=log, stderr=log)


async def stop_service(process: Process) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_S)
    except TimeoutError:
        process.kill()


async def service_ready(port: int, process: Process) -> None:
    async with httpx.AsyncClient() as http:
        while True:
            if process.returncode is not None:
                sys.exit(f"a service ended with {process.returncode} when it was started")
            with suppress(httpx.HTTPError):
                if (await http.get(f"http://127.0.0.1:{port}/health/ready")).status_code == 200:
                    return
            await asyncio.sleep(0.2)
