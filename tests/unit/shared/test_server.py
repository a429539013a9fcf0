"""What a service's server trusts."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from deploy.local.supervisor.preflight import free_port
from shared.contracts.topics import Service
from shared.core.settings import ServiceSettings
from shared.service import service_app
from shared.web.health import Health
from shared.web.operations import operations_port
from shared.web.server import trusted_proxies
from tests.support.waiting import eventually


def test_only_listed_proxies_are_believed() -> None:
    assert trusted_proxies("") == []
    assert trusted_proxies("10.0.0.1, 192.168.0.0/16,fd00::/8,") == ["10.0.0.1", "192.168.0.0/16", "fd00::/8"]


@pytest.mark.parametrize("text", ["*", "0.0.0.0/0", "::/0", "proxy.example", "10.0.0.1;10.0.0.2", "10.0.0.1/8"])
def test_a_list_that_trusts_everybody_or_nobody_ends_the_start(text: str) -> None:
    with pytest.raises(SystemExit, match=r"FORWARDED_ALLOW_IPS: .*List the addresses"):
        trusted_proxies(text)


QUOTES = {"Cookie": 'a="' + '\\"' * 29_000 + '"'}


async def test_a_cookie_of_quotes_costs_no_service_anything() -> None:
    """58 KB of it took 3 s of the event loop once."""

    @asynccontextmanager
    async def wire(_: ServiceSettings) -> AsyncIterator[Health]:
        yield Health("review", {})

    settings = ServiceSettings(database_url="postgresql://x", kafka_bootstrap="x:1", objects_url="file:///x")
    app = service_app(Service.REVIEW, settings, wire)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as api:
            await eventually(lambda: app.state.starting.state)
            await _is_cheap(api)
    port = free_port()
    async with (
        operations_port(lambda: Health("gateway", {}), "127.0.0.1", port),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as api,
    ):
        await _is_cheap(api)


async def _is_cheap(api: httpx.AsyncClient) -> None:
    assert (await api.get("/health/ready")).status_code == 200
    started = time.process_time()
    assert (await api.get("/health/ready", headers=QUOTES)).status_code == 200
    assert time.process_time() - started < 0.5
