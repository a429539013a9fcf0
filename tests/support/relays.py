"""Relays as processes of their own."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from shared.messaging.events import Message
from tests.support import events
from tests.support.brokers import EmbeddedBroker
from tests.support.forwarder import LOOPBACK, forwarding
from tests.support.messaging import Side
from tests.support.namespaces import Node

ROOT: Final = Path(__file__).resolve().parents[2]
SILENCE_S: Final = 15.0
TOPIC: Final = "preview-ready"
RELAY: Final = """
import asyncio, sys
from shared.contracts.topics import Service
from shared.core.clock import SystemClock
from shared.messaging.broker import BrokerConfig
from shared.messaging.relay import Relay

async def run() -> None:
    async with Relay(BrokerConfig(sys.argv[1], Service.GENERATOR, True), sys.argv[2], clock=SystemClock()):
        await asyncio.Event().wait()

asyncio.run(run())
"""


@asynccontextmanager
async def _running(*command: str) -> AsyncIterator[asyncio.subprocess.Process]:
    child = await asyncio.create_subprocess_exec(*command, cwd=ROOT)
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()


@asynccontextmanager
async def relay_process(broker: EmbeddedBroker, url: str) -> AsyncIterator[asyncio.subprocess.Process]:
    async with _running(sys.executable, "-c", RELAY, broker.bootstrap, url) as child:
        yield child


@asynccontextmanager
async def relay_on_a_node(there: Node, broker: EmbeddedBroker, url: str) -> AsyncIterator[None]:
    """A relay in a namespace, which reaches PostgreSQL and the broker at their usual addresses, over the link."""
    ports = [urlsplit(url).port or 5432, int(broker.bootstrap.rpartition(":")[2])]
    numbers = [str(port) for port in ports]
    async with (
        forwarding(there.host, LOOPBACK, ports),
        _running(*there.command(sys.executable, "-m", "tests.support.forwarder", there.host, *numbers)),
        _running(*there.command(sys.executable, "-c", RELAY, broker.bootstrap, url)),
    ):
        yield


def previews(count: int) -> list[Message[Any]]:
    return [events.message(events.preview_ready()) for _ in range(count)]


async def has_holder(side: Side) -> bool:
    return bool(await side.pool.fetchval("select token from relay_lease"))


async def token_is(side: Side, token: int) -> bool:
    return bool(await side.pool.fetchval("select token from relay_lease") == token)
