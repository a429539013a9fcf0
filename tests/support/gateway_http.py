"""The gateway's app in this process, over a real database; generator and review are played (see gateway_harness)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from services.gateway.api.auth.tokens import LocalTokens
from services.gateway.config import Settings
from services.gateway.main import create_app
from services.gateway.store.unit_of_work import StoreFactory
from shared.contracts.catalogue import load_catalogue
from shared.contracts.topics import Service
from shared.core.ids import new_id
from shared.messaging.events import Publisher
from shared.postgres.pool import open_pool
from tests.support.clock import FakeClock
from tests.support.gateway_harness import FakeServices, GatewayHarness
from tests.support.streamed import documented, log_is_documented
from tests.support.waiting import eventually

SECRET = "a secret of at least thirty-two bytes"
NOWHERE = "127.0.0.1:1"  # no broker: what the gateway publishes stays in its outbox, where the test reads it


def gateway_settings(database_url: str, folder: Path, **more: Any) -> Settings:
    return Settings(
        **{
            "database_url": database_url,
            "kafka_bootstrap": NOWHERE,
            "objects_url": f"file://{folder}/objects",
            "work_dir": str(folder),
            "jwt_secret": SECRET,
            "media_secret": SECRET,
            "local_mode": True,
            "log_level": "CRITICAL",
            "pool_size": 8,
        }
        | more
    )


@dataclass
class Gateway:
    app: Any
    world: GatewayHarness
    settings: Settings
    _clients: list[httpx.AsyncClient] = field(default_factory=list)

    def token(self, user: str) -> str:
        tokens = LocalTokens(SECRET, issuer="retake", audience="retake", clock=self.app.state.gateway.clock)
        return tokens.issue(user, user.title(), timedelta(hours=1))

    def client(self, user: str | None = "ana", **headers: str) -> httpx.AsyncClient:
        """Paths are below /api/v1; nobody is signed in with None."""
        transport = httpx.ASGITransport(self.app, client=("127.0.0.1", 5000))
        given = {"Authorization": f"Bearer {self.token(user)}"} if user else {}
        made = httpx.AsyncClient(
            transport=transport, base_url="http://localhost/api/v1", headers=given | headers, timeout=30
        )
        self._clients.append(made)
        return made

    async def close(self) -> None:
        for client in self._clients:
            await client.aclose()


@asynccontextmanager
async def gateway(
    database_url: str, folder: Path, *, through: str | None = None, **more: Any
) -> AsyncIterator[Gateway]:
    """`through`: another address of the same database, for the app alone."""
    settings = gateway_settings(through or database_url, folder, **more)
    app = create_app(settings)
    clock = FakeClock(datetime.now(UTC))
    async with app.router.lifespan_context(app), open_pool(database_url, size=4, at_start=1) as pool:
        await eventually(lambda: hasattr(app.state, "gateway"), what="a gateway that is wired")
        stores = StoreFactory(Publisher(Service.GATEWAY, clock, new_id), load_catalogue(), "animatic")
        made = Gateway(app, GatewayHarness(pool, clock, stores, FakeServices(clock)), settings)
        yield made
        await made.close()
        await log_is_documented(pool)


@dataclass
class Stream:
    """A stream of the app, read as a browser does, without a socket."""

    app: Any
    path: str
    token: str | None
    headers: dict[str, str] = field(default_factory=dict)
    sent: list[dict[str, Any]] = field(default_factory=list)
    _gone: asyncio.Event = field(default_factory=asyncio.Event)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Stream:
        path, _, query = f"/api/v1{self.path}".partition("?")
        headers = {"host": "localhost", "accept": "text/event-stream"} | self.headers
        if self.token:
            headers["authorization"] = f"Bearer {self.token}"
        scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "scheme": "http",
            "query_string": query.encode(),
            "root_path": "",
            "client": ("127.0.0.1", 5000),
            "server": ("localhost", 80),
            "http_version": "1.1",
            "asgi": {"version": "3.0"},
            "headers": [(k.encode(), v.encode()) for k, v in headers.items()],
        }
        self.task = asyncio.create_task(self.app(scope, self._receive, self._send))
        await self.until(lambda: bool(self.sent))
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._gone.set()
        if self.task:
            await asyncio.wait_for(self.task, 5)

    async def _receive(self) -> dict[str, Any]:
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)
        self._news.set()

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def body(self) -> str:
        return b"".join(m.get("body", b"") for m in self.sent).decode()

    @property
    def events(self) -> list[tuple[str | None, str, dict[str, Any]]]:
        """(id, name, data)"""
        found = []
        for block in self.body.split("\n\n"):
            fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
            if "event" in fields:
                name, data = fields["event"], json.loads(fields["data"])
                documented(name, data)
                found.append((fields.get("id"), name, data))
        return found

    def named(self, *names: str) -> list[dict[str, Any]]:
        return [data for _, name, data in self.events if name in names]

    async def until(self, condition: Any, seconds: float = 10) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                await self._news.wait()
                self._news.clear()
