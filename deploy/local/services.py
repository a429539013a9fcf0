"""The four services as parts: each gets its database, its port and its settings, and is a process of its own."""

from __future__ import annotations

import asyncio
import shutil
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import asyncpg

from deploy.local import databases, http
from deploy.local.children import Child, Command, python_env, spawn
from deploy.local.logs import rotate
from deploy.local.paths import DataDir
from shared.errors import Retryable

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


@dataclass
class ServicePart:
    """`listening` is the service's socket. We keep it open, so that its port is never lost while it restarts."""

    name: str
    data: DataDir
    settings: Settings
    listening: socket.socket
    python: Sequence[str]
    """Arguments of the Python that runs it."""

    needs: tuple[str, ...] = ("postgres", "broker")
    ready_timeout_s: float = 60.0
    stop_grace_s: float = 12.0  # a little more than `shared.serve` gives its open requests
    _migrated: bool = False

    @property
    def port(self) -> int:
        return int(self.listening.getsockname()[1])

    async def launch(self, addresses: Mapping[str, str]) -> Child:
        url = await self._database(self.settings.admin_url(addresses["postgres"]))
        work = self.data.work / self.name
        shutil.rmtree(work, ignore_errors=True)  # whatever the last process left half done
        work.mkdir(mode=0o700)
        rotate(self.data.log(self.name))
        command = Command(
            [sys.executable, *self.python],
            env=python_env(self._environment(url, addresses["broker"])),
            inherits=[self.listening.fileno()],
        )
        return await spawn(command, self.data.log(self.name), self.data.root)

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
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "LISTEN_FD": str(self.listening.fileno()),
        }
        prefixed = {f"{self.name.upper()}_{k}": v for k, v in settings.items()}
        return prefixed | dict(self.settings.extra.get(self.name, {}))
