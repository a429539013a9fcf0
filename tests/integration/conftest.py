"""Fixtures that several integration tests share: a service's own wiring on real parts, without a broker."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.conftest import FreshDatabase
from tests.support.gateway_harness import GatewayHarness, world
from tests.support.gateway_http import Gateway, gateway
from tests.support.generator import Bench, emptied_database, open_bench
from tests.support.postgres import Postgres
from tests.support.replicate import server


@pytest_asyncio.fixture
async def g(fresh_database: FreshDatabase, tmp_path: Path) -> AsyncIterator[Gateway]:
    """The gateway's HTTP API; the other services are fakes."""
    async with gateway(await fresh_database("gateway"), tmp_path) as running:
        yield running


@pytest_asyncio.fixture
async def w(fresh_database: FreshDatabase) -> AsyncIterator[GatewayHarness]:
    """The gateway's commands and projections, without HTTP; the other services are fakes."""
    async with world(await fresh_database("gateway")) as running:
        yield running


@pytest_asyncio.fixture
async def bench(postgres: Postgres, tmp_path: Path) -> AsyncIterator[Bench]:
    """The generator with scripted providers and media tools."""
    async with open_bench(await emptied_database(postgres), tmp_path) as opened:
        yield opened


@pytest_asyncio.fixture
async def replicate(tmp_path: Path) -> AsyncIterator[server.Running]:
    """The emulator of Replicate, 200 times as fast as the original."""
    async with server.running(tmp_path / "replicate", speed=200) as emulator:
        yield emulator
