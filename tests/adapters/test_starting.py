"""Services as processes, started while something that they need is missing: they say so, and go on once it is there."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx
import pytest

from deploy.local.supervisor.preflight import free_port
from shared.migrate import SOURCE_ROOT, migrate
from tests.support.brokers import EmbeddedBroker
from tests.support.forwarder import forwarding
from tests.support.gateway_http import SECRET
from tests.support.postgres import Postgres
from tests.support.waiting import eventually

AWAY: Final = "127.0.0.9"  # nobody listens there until a test forwards it
ENDS_WITHIN_S: Final = 20.0


@dataclass
class Started:
    process: asyncio.subprocess.Process
    url: str
    log: Path

    async def get(self, path: str, url: str = "") -> httpx.Response | None:
        """None while nothing listens."""
        async with httpx.AsyncClient(timeout=10) as http:
            try:
                return await http.get((url or self.url) + path)
            except httpx.TransportError:
                assert self.process.returncode is None, self.log.read_text()
                return None

    async def says(self, check: str, *words: str) -> None:
        """Waits until readiness fails by this check with these words."""

        async def said() -> bool:
            answer = await self.get("/health/ready")
            if answer is None:
                return False
            problem = answer.json()["checks"].get(check, "")
            return answer.status_code == 503 and all(word in problem for word in words)

        await eventually(said, what=f"{check}: {words}")

    def lines(self, event: str) -> list[dict[str, Any]]:
        lines = (json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{"))
        return [line for line in lines if line["event"] == event]


@asynccontextmanager
async def started(service: str, folder: Path, **settings: str) -> AsyncIterator[Started]:
    """Its process; killed at the end if it is still running."""
    port = free_port()
    given = {"port": str(port), "objects_url": f"file://{folder}/objects", "work_dir": str(folder)} | settings
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment |= {f"{service}_{name}".upper(): value for name, value in given.items()}
    path = folder / "log"
    with path.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "shared.web.server", service),
            cwd=SOURCE_ROOT,
            env=environment,
            stdout=log,
            stderr=log,
        )
    try:
        yield Started(process, f"http://127.0.0.1:{port}", path)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_it_waits_for_the_database_its_login_its_schema_and_the_broker(
    postgres: Postgres, embedded_broker: EmbeddedBroker, tmp_path: Path
) -> None:
    admin = await asyncpg.connect(postgres.admin_url)
    address = urlsplit(postgres.admin_url)
    port = address.port or 5432
    url = urlunsplit(address._replace(netloc=f"late:right@{AWAY}:{port}", path="/late"))
    kafka = urlsplit(f"//{embedded_broker.bootstrap}")
    assert kafka.port
    broker = {"kafka_bootstrap": f"{AWAY}:{kafka.port}", "kafka_embedded": "true"}
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(started("review", tmp_path, database_url=url, **broker))
        await service.says("database", f"{AWAY}:{port}/late", "check REVIEW_DATABASE_URL")
        alive = await service.get("/health/live")
        assert alive is not None and alive.status_code == 200
        await admin.execute("create role late login password 'wrong'")
        stack.push_async_callback(admin.execute, "drop role late")
        await stack.enter_async_context(forwarding(AWAY, address.hostname or "", [port]))
        await service.says("database", "the login is refused", "check role and password in REVIEW_DATABASE_URL")
        await admin.execute("alter role late password 'right'")
        await service.says("database", '"late" does not exist', "create it, or correct REVIEW_DATABASE_URL")
        await admin.execute("create database late owner late")
        stack.push_async_callback(admin.execute, "drop database late with (force)")
        await service.says("database", "is not applied", "run `python -m shared.migrate review`")
        await migrate(url, "review")
        await service.says("consumer", f"{AWAY}:{kafka.port}", "check KAFKA_BOOTSTRAP")
        await service.says("relay", f"{AWAY}:{kafka.port}", "check KAFKA_BOOTSTRAP")
        await stack.enter_async_context(forwarding(AWAY, "127.0.0.1", [kafka.port]))

        async def ready() -> bool:
            answer = await service.get("/health/ready")
            return answer is not None and answer.status_code == 200

        await eventually(ready, what="readiness")
        told = [line["error"] for line in service.lines("service.waits")]
        assert len(told) == len(set(told)) <= 5, told  # while it is created, a database also refuses for other reasons
        assert len(service.lines("service.started")) == 1
        assert "right@" not in service.log.read_text()
    await admin.close()


async def test_a_waiting_gateway_tells_its_callers_to_come_back_and_ends_at_once(tmp_path: Path) -> None:
    operations = free_port()
    settings = {
        "database_url": f"postgresql://a:b@127.0.0.1:{free_port()}/none",
        "kafka_bootstrap": "127.0.0.1:1",
        "jwt_secret": SECRET,
        "media_secret": SECRET,
        "operations_port": str(operations),
        "cors_origins": '["https://page.example"]',
    }
    async with started("gateway", tmp_path, **settings) as gateway:
        await eventually(lambda: gateway.get("/health/live"), what="an answer")
        for path in ("/api/v1/projects", "/api/v1/auth/config", "/", "/docs"):
            refused = await gateway.get(path)
            assert refused is not None
            assert refused.status_code == 503
            assert refused.headers["content-type"] == "application/problem+json"
            assert int(refused.headers["retry-after"]) >= 1
            assert refused.json()["type"] == "/problems/unavailable"
            assert "waits for something that it needs" in refused.json()["detail"]
        told = await gateway.get("/health/ready", f"http://127.0.0.1:{operations}")
        assert told is not None and told.status_code == 503
        assert "check GATEWAY_DATABASE_URL" in told.json()["checks"]["database"]
        metrics = await gateway.get("/metrics", f"http://127.0.0.1:{operations}")
        assert metrics is not None and 'retake_ready{service="gateway"} 0.0' in metrics.text
        gateway.process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        assert await asyncio.wait_for(gateway.process.wait(), ENDS_WITHIN_S) == -signal.SIGTERM
        assert time.monotonic() - began < ENDS_WITHIN_S


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"kafka_bootstrap": "127.0.0.1:1"}, "REVIEW_DATABASE_URL: Field required"),
        ({"kafka_bootstrap": "127.0.0.1:1", "database_url": "mysql://x"}, "REVIEW_DATABASE_URL is no database's URL"),
    ],
    ids=["a setting is missing", "a setting cannot work"],
)
async def test_what_no_waiting_mends_ends_it_with_the_reason(
    settings: dict[str, str], words: str, tmp_path: Path
) -> None:
    async with started("review", tmp_path, **settings) as review:
        assert await asyncio.wait_for(review.process.wait(), ENDS_WITHIN_S) == 3
    assert words in review.log.read_text()
    assert "Traceback" not in review.log.read_text()
