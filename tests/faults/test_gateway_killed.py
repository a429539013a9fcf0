"""kill -9 of the gateway at the exact moments that matter to a caller with an Idempotency-Key."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from deploy.local.supervisor.preflight import free_port
from services.gateway.api.auth.tokens import LocalTokens
from shared.core.clock import SystemClock
from tests.conftest import FreshDatabase
from tests.support.gateway_http import NOWHERE, SECRET
from tests.support.waiting import answers_http

REPLAYED = "idempotency-replayed"


@asynccontextmanager
async def running(database: str, folder: Path, port: int, moment: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    env = {
        "DATABASE_URL": database,
        "KAFKA_BOOTSTRAP": NOWHERE,
        "OBJECTS_URL": f"file://{folder}/objects",
        "WORK_DIR": str(folder),
        "JWT_SECRET": SECRET,
        "MEDIA_SECRET": SECRET,
        "PORT": str(port),
        "LOG_LEVEL": "CRITICAL",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.support.killed_gateway",
        str(moment),
        env={"PATH": "/usr/bin:/bin", **{f"GATEWAY_{name}": value for name, value in env.items()}},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await answers_http(f"http://127.0.0.1:{port}/health/live", within=60)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


class Caller:
    """Sends a command with its key until it is told, as a careful client does."""

    def __init__(self, port: int) -> None:
        tokens = LocalTokens(SECRET, issuer="retake", audience="retake", clock=SystemClock())
        self.http = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}/api/v1",
            timeout=30,
            headers={"Authorization": f"Bearer {tokens.issue('ana', 'Ana', timedelta(hours=1))}"},
        )

    async def create(self, key: str, title: str) -> httpx.Response:
        return await self.http.post("/projects", json={"name": title}, headers={"Idempotency-Key": key})


async def test_a_repeat_after_a_death_gets_the_first_answer_and_one_effect(
    fresh_database: FreshDatabase, tmp_path: Path
) -> None:
    database, port, moment = await fresh_database("gateway"), free_port(), tmp_path / "moment"
    caller = Caller(port)
    moment.write_text("")
    async with running(database, tmp_path, port, moment) as first:
        assert (await caller.create("k0", "zero")).status_code == 201
        moment.write_text("before-commit")
        with pytest.raises(httpx.TransportError):
            await caller.create("k1", "one")
        assert await first.wait() == -9
    assert await _names(database) == ["zero"]

    moment.write_text("")
    async with running(database, tmp_path, port, moment) as second:
        told = await caller.create("k1", "one")
        assert (told.status_code, REPLAYED in told.headers) == (201, False)  # nothing had happened
        moment.write_text("after-commit")
        with pytest.raises(httpx.TransportError):
            await caller.create("k2", "two")
        assert await second.wait() == -9
    assert await _names(database) == ["one", "two", "zero"]

    moment.write_text("")
    async with running(database, tmp_path, port, moment):
        told = await caller.create("k2", "two")
        assert (told.status_code, told.headers[REPLAYED]) == (201, "true")
        shown: dict[str, Any] = (await caller.http.get(told.headers["location"].removeprefix("/api/v1"))).json()
        assert (shown["id"], shown["name"]) == (told.json()["id"], "two")
        assert (await caller.create("k2", "another")).json()["type"] == "/problems/idempotency-mismatch"
    assert await _names(database) == ["one", "two", "zero"]
    await caller.http.aclose()


async def _names(database: str) -> list[str]:
    connection = await asyncpg.connect(database)
    try:
        return [r["name"] for r in await connection.fetch("select name from projects order by name")]
    finally:
        await connection.close()
