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
PLENTY: Final = "1000000"


@dataclass(frozen=True)
class Stack:
    gateway: str
    token: str
    kafka: str
    embedded: bool
    postgres: Postgres
    pids: Mapping[str, int]

    @asynccontextmanager
    async def person(self) -> AsyncIterator[Person]:
        async with Person.signed_in(self.gateway, self.token) as person:
            yield person


@asynccontextmanager
async def stack(folder: Path, *, apache: bool = False) -> AsyncIterator[Stack]:
    """On the embedded broker, or on Apache Kafka. Raises tests.support.components.Missing."""
    async with AsyncExitStack() as resources:
        postgres = await resources.enter_async_context(embedded_postgres(folder / "postgres", durable=True))
        opened = apache_kafka if apache else embedded_broker
        broker: RunningBroker = await resources.enter_async_context(opened(folder / "broker"))
        ports, processes = {s: free_port() for s in Service}, {}
        for service, port in ports.items():
            env = service_env(service, port, await postgres.fresh(service), broker, folder)
            processes[service] = await resources.enter_async_context(running_service(service, env, folder))
        async with asyncio.timeout(READY_S):
            await asyncio.gather(*(service_ready(ports[s], processes[s]) for s in Service))
        token = LocalTokens(SECRET, issuer="retake", audience="retake", clock=SystemClock()).issue(
            "local", "Local", timedelta(hours=2)
        )
        pids = {s.value: p.pid for s, p in processes.items()}
        gateway = f"http://127.0.0.1:{ports[Service.GATEWAY]}"
        yield Stack(gateway, token, broker.bootstrap, broker.embedded, postgres, pids)


def service_env(service: Service, port: int, database: str, broker: RunningBroker, folder: Path) -> dict[str, str]:
    settings = {
        "DATABASE_URL": database,
        "KAFKA_BOOTSTRAP": broker.bootstrap,
        "KAFKA_EMBEDDED": str(broker.embedded).lower(),
        "PORT": str(port),
        "OBJECTS_URL": f"file://{folder}/objects",
        "WORK_DIR": str(folder / "work"),
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
    with (folder / f"{service}.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(sys.executable, *command, env=env, stdout=log, stderr=log)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 15)
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
