"""The system of a storm: PostgreSQL, Apache Kafka, an emulated provider, and each service as one to three replicas."""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Final

import httpx

from deploy.local.parts.fork_server import ForkServerPart
from deploy.local.parts.postgres import EmbeddedPostgres
from deploy.local.parts.services import Forked, Starter
from deploy.local.supervisor.data_dir import DataDir
from deploy.local.supervisor.preflight import free_port
from deploy.local.supervisor.processes import Child, python_env, spawn
from services.gateway.api.auth.tokens import LocalTokens
from shared.contracts.topics import Service
from shared.core.clock import SystemClock
from tests.support.brokers import ApacheBroker
from tests.support.postgres import Postgres
from tests.support.replicate.server import TOKEN, Running, running
from tests.support.storm.faults import Target
from tests.support.storm.processes import Kept
from tests.support.waiting import eventually

SECRET: Final = "a secret of at least thirty-two bytes"
# A killed server keeps every commit, as the operating system lives on; only a power failure would need fsync.
POSTGRES: Final = {"fsync": "off", "max_connections": "300", "autovacuum": "off"}
PROVIDER_SPEED: Final = 40.0
START_S: Final = 120.0
POOL: Final = 5
STARTS: Final = 3


@dataclass
class World:
    """A running system. Implements `faults.Victims`."""

    folder: Path
    broker: ApacheBroker
    provider: Running
    postgres: Kept
    databases: dict[Service, str]
    replicas: dict[Service, list[Kept]] = field(default_factory=dict)
    gateways: list[str] = field(default_factory=list)
    ready: list[str] = field(default_factory=list)
    sockets: list[socket.socket] = field(default_factory=list)
    _broker_lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def objects(self) -> Path:
        return self.folder / "objects"

    def of(self, target: str, replica: int) -> Target:
        return _Broker(self.broker) if target == "broker" else self.replicas[Service(target)][replica]

    async def restart_postgres(self, how: signal.Signals) -> None:
        await self.postgres.end(how)

    async def kill_broker(self, *, lose: bool) -> None:
        async with self._broker_lock:
            await self.broker.kill()
            if lose:
                self.broker.forget()
            for _ in range(STARTS):  # it may have been paused meanwhile, for longer than a start may take
                with suppress(TimeoutError):
                    return await self.broker.start()
            raise TimeoutError("the broker does not start")

    async def calm(self) -> None:
        """Everything runs and is ready."""
        for kept in [kept for group in self.replicas.values() for kept in group]:
            kept.signal(signal.SIGCONT)
        async with httpx.AsyncClient(timeout=5) as http:

            async def all_ready() -> bool:
                try:
                    return all([(await http.get(url)).status_code == 200 for url in self.ready])
                except httpx.HTTPError:
                    return False

            await eventually(all_ready, within=START_S, every=0.2, what="readiness of every service")

    @staticmethod
    def token(user: str) -> str:
        tokens = LocalTokens(SECRET, issuer="retake", audience="retake", clock=SystemClock())
        return tokens.issue(user, user.title(), timedelta(hours=12))

    async def close(self) -> None:
        kept = [kept for group in self.replicas.values() for kept in group]
        await asyncio.gather(*(each.close() for each in kept))
        for listening in self.sockets:
            listening.close()


class _Broker:
    def __init__(self, broker: ApacheBroker) -> None:
        self._broker = broker

    def signal(self, how: signal.Signals) -> None:
        self._broker.signal(how)

    def hold(self, seconds: float) -> None:
        raise NotImplementedError("a broker is started by whoever killed it")


@asynccontextmanager
async def world(folder: Path, broker: ApacheBroker, replicas: int) -> AsyncIterator[World]:
    """The services start before they are needed; `calm` waits for them."""
    async with AsyncExitStack() as stack:
        provider = await stack.enter_async_context(running(folder / "provider", speed=PROVIDER_SPEED))
        postgres, server = await _postgres(folder / "postgres")
        stack.push_async_callback(postgres.close)
        databases = {service: await server.fresh(service.value) for service in Service}
        made = World(folder, broker, provider, postgres, databases)
        data = DataDir.of(folder)
        data.logs.mkdir(parents=True, exist_ok=True)
        starter = await _starter(data, stack)
        stack.push_async_callback(made.close)
        for service in Service:
            made.replicas[service] = [await _start(made, starter, service, number) for number in range(replicas)]
        yield made


async def _postgres(folder: Path) -> tuple[Kept, Postgres]:
    data = DataDir.of(folder)
    data.logs.mkdir(parents=True)
    server = EmbeddedPostgres(data, password="storm")
    await server.initialise()
    port = free_port()
    command = server.command(port)
    command = replace(command, argv=[*command.argv, *(f"--{k}={v}" for k, v in POSTGRES.items())])
    kept = Kept(lambda: spawn(command, data.log("postgres"), data.root))
    await kept.start()
    async with asyncio.timeout(START_S):
        await server.answers(port)
    return kept, Postgres(server.url(port), "embedded", "embedded")


async def _starter(data: DataDir, stack: AsyncExitStack) -> Starter:
    """As `retake up` starts services on Linux: forked, so that a start costs little."""
    server = ForkServerPart(data)
    child = await server.launch({})
    stack.push_async_callback(child.stop, server.stop_grace_s)
    await server.ready(child)
    return Forked(server, "shared.web.server:main")


async def _start(made: World, starter: Starter, service: Service, number: int) -> Kept:
    listening = socket.create_server(("127.0.0.1", 0))
    port, work = listening.getsockname()[1], made.folder / "work" / f"{service}-{number}"
    made.sockets.append(listening)
    made.ready.append(f"http://127.0.0.1:{port}/health/ready")
    settings = {
        "DATABASE_URL": made.databases[service],
        "KAFKA_BOOTSTRAP": made.broker.bootstrap,
        "OBJECTS_URL": f"file://{made.objects}",
        "SIGNING_DIR": str(made.folder / "signing"),
        "WORK_DIR": str(work),
        "PORT": str(port),
        "POOL_SIZE": str(POOL),
    }
    more: dict[str, str] = {}
    match service:
        case Service.GATEWAY:
            made.gateways.append(f"http://127.0.0.1:{port}")
            settings |= {"JWT_SECRET": SECRET, "MEDIA_SECRET": SECRET, "RATE_QUOTA": "1000000"}
            settings |= {"PROVIDERS": "replicate"}
        case Service.GENERATOR:
            settings |= {"REPLICATE_REQUEST_S": "5", "REPLICATE_SETTLE_S": "8", "REPLICATE_POLL_S": "0.5"}
            more = {"REPLICATE_BASE_URL": made.provider.url, "REPLICATE_API_TOKEN": TOKEN}
        case Service.REVIEW | Service.COMPILER:
            pass
    env = python_env({f"{service.value.upper()}_{name}": value for name, value in settings.items()} | more)

    async def launch() -> Child:
        shutil.rmtree(work, ignore_errors=True)  # unfinished files of the last process, as the supervisor removes them
        work.mkdir(parents=True)
        return await starter.start(service.value, env, listening)

    kept = Kept(launch)
    await kept.start()
    return kept
