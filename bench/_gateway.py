"""The gateway as a process with a real database; start and stop of any measured server."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import asyncpg
import httpx

from deploy.local.supervisor.preflight import free_port
from services.gateway.api.auth.tokens import LocalTokens
from shared.core.clock import SystemClock
from tests.support.postgres import Postgres

SECRET: Final = "a secret of the benchmark of at least thirty-two bytes"
PLENTY: Final = "1000000"
START_S: Final = 120


class Missing(Exception):
    """The peer is not installed; the message says how to install it."""


@dataclass(frozen=True)
class Gateway:
    process: Process
    port: int
    database: str
    project: str
    token: str
    objects: Path


@asynccontextmanager
async def gateway(folder: Path, postgres: Postgres) -> AsyncIterator[Gateway]:
    """A gateway without a broker, which these rows do not need, and with high limits per user."""
    url, port = await postgres.fresh("gateway"), free_port()
    settings = {
        "DATABASE_URL": url,
        "KAFKA_BOOTSTRAP": "127.0.0.1:1",
        "PORT": str(port),
        "JWT_SECRET": SECRET,
        "OBJECTS_URL": f"file://{folder}/objects",
        "MEDIA_SECRET": SECRET,
        "LOCAL_MODE": "true",
        "LOG_LEVEL": "CRITICAL",
        "STREAMS_PER_USER": PLENTY,
        "STREAMS_MAX": PLENTY,
        "RATE_QUOTA": PLENTY,
    }
    async with running(
        [sys.executable, "-m", "shared.web.server", "gateway"],
        port,
        "/health/ready",
        {f"GATEWAY_{name}": value for name, value in settings.items()},
    ) as process:
        connection = await asyncpg.connect(url)
        try:
            user = await connection.fetchval("select user_id from members")
            project = str(await connection.fetchval("select project_id from members"))
        finally:
            await connection.close()
        tokens = LocalTokens(SECRET, issuer="retake", audience="retake", clock=SystemClock())
        yield Gateway(process, port, url, project, tokens.issue(user, user, timedelta(hours=1)), folder / "objects")


@asynccontextmanager
async def running(
    command: Sequence[str], port: int, ready: str | None, env: Mapping[str, str] | None = None
) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        *command, env=os.environ | (env or {}), stdout=DEVNULL, stderr=DEVNULL
    )
    try:
        async with asyncio.timeout(START_S):
            await _answers(process, port, ready)
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), 15)
        except TimeoutError:
            process.kill()


async def _answers(process: Process, port: int, path: str | None) -> None:
    async with httpx.AsyncClient() as http:
        while True:
            if process.returncode is not None:
                raise Missing(f"a server ended with {process.returncode} when it was started")
            with suppress(httpx.HTTPError, OSError):
                if path is None:
                    (await asyncio.open_connection("127.0.0.1", port))[1].close()
                    return
                if (await http.get(f"http://127.0.0.1:{port}{path}")).status_code < 500:
                    return
            await asyncio.sleep(0.1)
