"""The four services as parts: each has its own database, port, settings and process."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol

import asyncpg

from deploy.local.parts import databases
from deploy.local.parts.fork_server import ForkServerPart, listen_variable
from deploy.local.supervisor import http_probe
from deploy.local.supervisor.data_dir import DataDir
from deploy.local.supervisor.files import write_private
from deploy.local.supervisor.processes import Child, Command, python_env, spawn
from shared.core.errors import Retryable
from shared.migrate import migrate

POLL_S: Final = 0.05


@dataclass(frozen=True)
class Settings:
    """Settings of all services of one system. `admin_url` maps PostgreSQL's address to a superuser's URL."""

    admin_url: Callable[[str], str]
    passwords: Mapping[str, str]
    objects_url: str
    kafka_embedded: bool
    extra: Mapping[str, Mapping[str, str]]
    """Further variables by service, with their prefixes."""


class Starter(Protocol):
    """A way to start a service's process. `needs` names the parts that must be ready before."""

    @property
    def needs(self) -> tuple[str, ...]: ...

    async def start(self, service: str, env: Mapping[str, str], listening: socket.socket) -> Child: ...


@dataclass(frozen=True)
class Spawned:
    """Starts a Python interpreter with these arguments."""

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
    """Forks from the fork server. `call` is "module:function", which gets the service's name."""

    server: ForkServerPart
    call: str

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.server.name,)

    async def start(self, service: str, env: Mapping[str, str], listening: socket.socket) -> Child:
        return await self.server.fork(self.call, service, env, listening)


@dataclass
class ServicePart:
    """`listening` is the service's socket. We keep it open, so that its port is not lost while the service restarts."""

    name: str
    data: DataDir
    settings: Settings
    listening: socket.socket
    starter: Starter
    waits_s: float = 60.0  # before it is started again
    ready_timeout_s: float = 70.0  # never reached, as `ready` gives up before
    stop_grace_s: float = 12.0  # a little more than `shared.web.server` allows open requests
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
        shutil.rmtree(work, ignore_errors=True)  # unfinished files of the last process
        work.mkdir(mode=0o700)
        settings = self._environment(url, addresses["broker"])
        write_private(self.data.environment(self.name), json.dumps(settings))
        return await self.starter.start(self.name, python_env(settings), self.listening)

    async def ready(self, child: Child) -> str:
        """Raises Retryable with what the service waits for, when it has waited for too long."""
        host, port = self._operations or ("127.0.0.1", self.port)
        problems = ""
        with suppress(TimeoutError):
            async with asyncio.timeout(self.waits_s):
                while True:
                    with suppress(OSError, TimeoutError):
                        found = await http_probe.readiness(host, port)
                        if found.status == 200:
                            return f"http://127.0.0.1:{self.port}"
                        problems = found.problems
                    await asyncio.sleep(POLL_S)
        waits = f"; it waits: {problems}" if problems else ""
        raise Retryable("not_ready", f"was not ready after {self.waits_s:g} s{waits}")

    @property
    def _operations(self) -> tuple[str, int] | None:
        """Where the gateway has readiness and metrics instead of on its own port, if the user's environment says so."""
        port = os.environ.get("GATEWAY_OPERATIONS_PORT", "")
        if self.name != "gateway" or not port.isdigit():  # a wrong one is refused by the gateway itself
            return None
        host = os.environ.get("GATEWAY_OPERATIONS_HOST", "127.0.0.1")
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), int(port)

    @property
    def operations(self) -> str | None:
        """The same as a URL."""
        if self._operations is None:
            return None
        host, port = self._operations
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def _database(self, admin_url: str) -> str:
        try:
            url = await databases.provide(admin_url, self.name, self.settings.passwords[self.name])
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as e:
            raise Retryable("database_unavailable", f"its database could not be created: {e}") from e
        if not self._migrated:
            await migrate(url, self.name)
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
