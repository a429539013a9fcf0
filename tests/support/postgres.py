"""PostgreSQL for tests: a migrated template database per service, and a copy of it for each test.

The server is a container where a Docker engine responds, else the embedded one of `retake up`.
"""

from __future__ import annotations

import asyncio
import itertools
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from deploy.local.parts.postgres import STOP_GRACE_S, EmbeddedPostgres
from deploy.local.supervisor.data_dir import DataDir
from deploy.local.supervisor.preflight import free_port
from deploy.local.supervisor.processes import Child, spawn
from shared.migrate import migrate
from tests.support import containers
from tests.support.waiting import eventually

# Fast, and without any durability: a test database need not survive a power failure.
_FAST: Final = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "autovacuum": "off",
}
_DURABLE: Final = {"max_connections": "300"}  # three replicas of every service
ACCEPTS_WITHIN_S: Final = 90.0


@dataclass
class Postgres:
    """A running server. `fresh` creates databases and `drop` removes them. `kind` is container or embedded."""

    admin_url: str
    version: str
    kind: str
    _templates: dict[str, str] = field(default_factory=dict)
    _count: itertools.count[int] = field(default_factory=itertools.count)

    async def fresh(self, service: str) -> str:
        """The URL of a new, migrated database of that service."""
        if service not in self._templates:
            self._templates[service] = await self._make_template(service)
        name = f"{service}_{next(self._count)}"
        await self._execute(f"create database {name} template {self._templates[service]} strategy file_copy")
        return self.url(name)

    async def drop(self, url: str) -> None:
        await self._execute(f"drop database if exists {urlsplit(url).path.removeprefix('/')} with (force)")

    def url(self, name: str) -> str:
        return urlunsplit(urlsplit(self.admin_url)._replace(path=f"/{name}"))

    async def _make_template(self, service: str) -> str:
        name = f"template_{service}"
        await self._execute(f"create database {name}")
        await migrate(self.url(name), service)
        return name

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self.admin_url, timeout=10)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


@asynccontextmanager
async def postgres_server(directory: Path) -> AsyncIterator[Postgres]:
    """The server of a test run: fast and not durable. `directory` is used by the embedded one. Raises Missing."""
    if not containers.engine_responds():
        async with embedded_postgres(directory) as server:
            yield server
        return
    async with containers.postgres(_FAST) as url:
        yield Postgres(url, await _version_when_ready(url), "container")


@asynccontextmanager
async def embedded_postgres(directory: Path, *, durable: bool = False) -> AsyncIterator[Postgres]:
    """The embedded server. `durable`: a commit is on the disk when it returns, as in production."""
    data = DataDir.of(directory)
    data.logs.mkdir(parents=True)
    server = EmbeddedPostgres(data, password="test")
    await server.initialise()
    port = free_port()
    command = server.command(port)
    settings = _DURABLE if durable else _FAST
    command = replace(command, argv=[*command.argv, *(f"--{k}={v}" for k, v in settings.items())])
    child = await spawn(command, data.log("postgres"), data.root)
    try:
        async with asyncio.timeout(60):
            await server.answers(port)
        yield Postgres(server.url(port), await _version(server.url(port)), "embedded")
    finally:
        await child.stop(STOP_GRACE_S)


class RestorablePostgres:
    """An embedded server that can be stopped, copied and put back, always on the same port. Use as a context."""

    def __init__(self, directory: Path) -> None:
        self._data = DataDir.of(directory)
        self._data.logs.mkdir(parents=True, exist_ok=True)  # the server asks who owns its directory
        self._server = EmbeddedPostgres(self._data, password="test")
        self._port = free_port()
        self._child: Child | None = None
        self.postgres = Postgres(self._server.url(self._port), "embedded", "embedded")

    async def __aenter__(self) -> RestorablePostgres:
        await self._server.initialise()
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    async def start(self) -> None:
        command = self._server.command(self._port)
        options = [f"--{k}={v}" for k, v in (_FAST | {"max_connections": "60"}).items()]
        self._child = await spawn(
            replace(command, argv=[*command.argv, *options]), self._data.log("postgres"), self._data.root
        )
        async with asyncio.timeout(60):
            await self._server.answers(self._port)

    async def stop(self) -> None:
        if self._child:
            await self._child.stop(STOP_GRACE_S)
            self._child = None

    async def back_up(self, name: str = "backup") -> None:
        """A copy of the data directory; the server is stopped for it."""
        await self.stop()
        await _copy(self._data.postgres, self._data.root / name)
        await self.start()

    async def restore(self, name: str = "backup") -> None:
        """The copy instead of what happened since: no new timeline, the same server to look at."""
        await self.stop()
        shutil.rmtree(self._data.postgres)
        await _copy(self._data.root / name, self._data.postgres)
        await self.start()

    async def keep(self, database: str) -> None:
        """A copy of one database, to which nobody is connected."""
        await self.postgres._execute(f"create database kept_{database} template {database} strategy file_copy")

    async def put_back(self, database: str) -> None:
        """The copy instead of what happened in that database since; the others are as they are."""
        await self.postgres._execute(f"drop database {database} with (force)")
        await self.postgres._execute(f"alter database kept_{database} rename to {database}")
        await self.postgres._execute(f"alter database {database} owner to {database}")


async def _copy(source: Path, target: Path) -> None:
    process = await asyncio.create_subprocess_exec("cp", "-a", str(source), str(target))
    assert await process.wait() == 0


async def _version_when_ready(url: str) -> str:
    """A new container refuses connections until its first start has initialised the cluster."""

    async def version() -> str | None:
        with suppress(OSError, asyncpg.PostgresError, TimeoutError):
            return await _version(url)
        return None

    return await eventually(version, within=ACCEPTS_WITHIN_S, every=0.1, what="a connection to PostgreSQL")


async def _version(url: str) -> str:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        return str(await connection.fetchval("show server_version"))
    finally:
        await connection.close()
