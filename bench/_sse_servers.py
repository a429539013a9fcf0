"""The servers that `bench.sse` compares: the gateway as a process over a real log, Nchan, better-sse."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import shutil
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg
import httpx

from bench._gateway import Missing, gateway, running
from deploy.local.supervisor.preflight import free_port
from tests.support.postgres import Postgres

PEERS: Final = Path(__file__).parent / "peers"
CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "retake-bench"
NCHAN: Final = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")  # where Debian's package puts it
PUBLISHING: Final = 8  # requests of a burst that are under way at once
IDLE_S: Final = 1.0  # a connection is used again for so long: Node closes it after five seconds
WIRE_BYTES: Final = 330
_LOG: Final = "insert into event_log (project_id, name, data) values ($1, 'progress', $2)"


@dataclass(frozen=True)
class Server:
    """`publish` sends these events (JSON texts) as fast as the server accepts them."""

    name: str
    process: Process
    port: int
    path: str
    headers: tuple[str, ...]
    publish: Callable[[Sequence[str]], Awaitable[None]]
    overhead: int
    """The bytes of an event on the wire in addition to its data."""


Start = Callable[[Path, Postgres], AbstractAsyncContextManager[Server]]


@asynccontextmanager
async def retake(folder: Path, postgres: Postgres) -> AsyncIterator[Server]:
    """Each event is a row of the log in a transaction of its own, and then takes the same path as in production."""
    async with gateway(folder, postgres) as g:
        connection = await asyncpg.connect(g.database)

        async def publish(events: Sequence[str]) -> None:
            for data in events:
                await connection.execute(_LOG, g.project, data)

        try:
            yield Server(
                "retake",
                g.process,
                g.port,
                f"/api/v1/projects/{g.project}/events",
                (f"Authorization: Bearer {g.token}",),
                publish,
                overhead=75,
            )
        finally:
            await connection.close()


@asynccontextmanager
async def nchan(folder: Path, _: Postgres) -> AsyncIterator[Server]:
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if nginx is None or not NCHAN.exists():
        raise Missing("Nchan: apt-get install nginx libnginx-mod-nchan")
    port = free_port()
    descriptors, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    conf = folder / "nginx.conf"
    conf.write_text(
        (PEERS / "nchan/nginx.conf").read_text().format(module=NCHAN, folder=folder, port=port, descriptors=descriptors)
    )
    async with (
        running([nginx, "-c", str(conf), "-e", str(folder / "start.log")], port, "/") as process,
        _posting(port, "/publish", {"X-EventSource-Event": "progress"}) as publish,
    ):
        yield Server("Nchan (nginx, C)", process, port, "/subscribe", (), publish, overhead=45)


@asynccontextmanager
async def better_sse(_: Path, __: Postgres) -> AsyncIterator[Server]:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise Missing("better-sse: install Node.js 20 or newer with npm")
    here = await _installed(npm)
    port = free_port()
    async with (
        running([node, str(here / "server.mjs"), str(port)], port, None) as process,
        _posting(port, "/", {}) as publish,
    ):
        yield Server("better-sse (Node)", process, port, "/", (), publish, overhead=70)


async def _installed(npm: str) -> Path:
    """The package in the lock file, installed in the user's cache."""
    here = CACHE / "better-sse"
    here.mkdir(parents=True, exist_ok=True)
    for file in (PEERS / "better-sse").glob("*.*"):
        shutil.copy(file, here / file.name)
    if not (here / "node_modules").exists():
        child = await asyncio.create_subprocess_exec(npm, "ci", "--no-audit", "--no-fund", "--loglevel=error", cwd=here)
        if await child.wait():
            raise Missing("better-sse: `npm ci` failed (see above)")
    return here


@asynccontextmanager
async def _posting(
    port: int, path: str, headers: dict[str, str]
) -> AsyncIterator[Callable[[Sequence[str]], Awaitable[None]]]:
    limits = httpx.Limits(max_connections=PUBLISHING, keepalive_expiry=IDLE_S)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", limits=limits, timeout=60) as http:

        async def one(event: str) -> None:
            (await http.post(path, content=event, headers=headers)).raise_for_status()

        async def publish(events: Sequence[str]) -> None:
            await asyncio.gather(*map(one, events))

        yield publish


def event(number: int, at_us: int, overhead: int) -> str:
    """The data of one event, such that it has the same size on the wire from every server."""
    data = {"at": f"{at_us:016d}", "n": number, "text": ""}
    data["text"] = "x" * (WIRE_BYTES - overhead - len(json.dumps(data, separators=(",", ":"))))
    return json.dumps(data, separators=(",", ":"))
