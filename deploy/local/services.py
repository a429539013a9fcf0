"""The four services as parts: each gets its database, its port and its settings, and is a process of its own."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol

import asyncpg

from deploy.local import databases, http
from deploy.local.children import Child, Command, python_env, spawn
from deploy.local.files import write_private
from deploy.local.forking import ForkServerPart, listen_variable
from deploy.local.logs import rotate
from deploy.local.paths import DataDir
from shared.core.errors import Retryable

POLL_S: Final = 0.05


@dataclass(frozen=True)
class Settings:
    """What all services of one system are told. `admin_url` makes a superuser's URL from PostgreSQL's address."""

    admin_url: Callable[[str], str]
    passwords: Mapping[str, str]
    objects_url: str
    kafka_embedded: bool
    extra: Mapping[str, Mapping[str, str]]
    """More variables by service, already prefixed."""


class Starter(Protocol):
    """A way to start a service's process. `needs` are parts that must be ready for it."""

    @property
    def needs(self) -> tuple[str, ...]: ...

    async def start(self, service: str, env: Mapping[str, str], listening: socket.socket) -> Child: ...


@dataclass(frozen=True)
class Spawned:
    """By a Python of its own, with these arguments."""

    data: DataDir
    python: Sequence[str]
    needs: tuple[str, ...] = ()

    async def start(self, service: str, env: Mapping[str, str], listening: socket.socket) -> Child:
        number = listening.fileno()
        command = Command(
            [sys.executable, *self.python], env=dict(env) | {listen_variable(service): str(number)}, inherits=[number]
        )
        return await spawn(command, self.data.log(service), self.data.root)


@dataclass(frozen=True)
class Forked:
    """By the fork server: `call` is "module:function", which takes the service's name."""

    server: ForkServerPart
    call: str

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.server.name,)

    async def start(self, service: str, env: Mapping[str, str], listening: socket.socket) -> Child:
        return await self.server.fork(self.call, service, env, listening)


@dataclass
class ServicePart:
    """`listening` is the service's socket. We keep it open, so that its port is never lost while it restarts."""

    name: str
    data: DataDir
    settings: Settings
    listening: socket.socket
    starter: Starter
    ready_timeout_s: float = 60.0
    stop_grace_s: float = 12.0  # a little more than `shared.web.server` gives its open requests
    _migrated: bool = False

    @property
    def needs(self) -> tuple[str, ...]:
        return ("postgres", "broker", *self.starter.needs)

    @property
    def port(self) -> int:
        return int(self.listening.getsockname()[1])

    async def launch(self, addresses: Mapping[str, str]) -> Child:
        url = await self._database(self.settings.admin_url(addresses["postgres"]))
        work = self.data.work / self.name
        shutil.rmtree(work, ignore_errors=True)  # whatever the last process left half done
        work.mkdir(mode=0o700)
        rotate(self.data.log(self.name))
        told = self._environment(url, addresses["broker"])
        write_private(self.data.environment(self.name), json.dumps(told))
        env = python_env(told)
        return await self.starter.start(self.name, env, self.listening)

    async def ready(self, child: Child) -> str:
        while True:
            with suppress(OSError, TimeoutError):
                if await http.status("127.0.0.1", self.port, "/health/ready") == 200:
                    return f"http://127.0.0.1:{self.port}"
            await asyncio.sleep(POLL_S)

    async def _database(self, admin_url: str) -> str:
        try:
            url = await databases.provide(admin_url, self.name, self.settings.passwords[self.name])
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as e:
            raise Retryable("database_unavailable", f"its database could not be made: {e}") from e
        if not self._migrated:
            await databases.migrate(url, self.name)
            self._migrated = True
        return url

    def _environment(self, database_url: str, kafka: str) -> dict[str, str]:
        settings = {
            "DATABASE_URL": database_url,
            "KAFKA_BOOTSTRAP": kafka,
            "KAFKA_EMBEDDED": str(self.settings.kafka_embedded).lower(),
            "OBJECTS_URL": self.settings.objects_url,
            "WORK_DIR": str(self.data.work / self.name),
            "SIGNING_DIR": str(self.data.root / "signing"),
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
        }
        prefixed = {f"{self.name.upper()}_{k}": v for k, v in settings.items()}
        return prefixed | dict(self.settings.extra.get(self.name, {}))
