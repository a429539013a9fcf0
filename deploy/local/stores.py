"""PostgreSQL and the brokers as parts."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deploy.local.children import Child, Command, SpawnedChild, python_env, spawn
from deploy.local.logs import rotate
from deploy.local.paths import DataDir
from deploy.local.postgres import STOP_GRACE_S, EmbeddedPostgres
from deploy.local.preflight import free_port
from shared.core.errors import Retryable


@dataclass
class PostgresPart:
    """Its address is HOST:PORT; the port stays the same for as long as we can have it."""

    server: EmbeddedPostgres
    data: DataDir
    name: str = "postgres"
    needs: tuple[str, ...] = ()
    ready_timeout_s: float = 120.0  # a long crash recovery
    stop_grace_s: float = STOP_GRACE_S
    _port: int = 0

    async def launch(self, addresses: Mapping[str, str]) -> Child:
        rotate(self.data.log(self.name))
        await self.server.initialise()
        await asyncio.to_thread(self.server.clear_stale)
        self._port = free_port(self._port)
        return await spawn(self.server.command(self._port), self.data.log(self.name), self.data.root)

    async def ready(self, child: Child) -> str:
        await self.server.answers(self._port)
        return f"127.0.0.1:{self._port}"


@dataclass
class EmbeddedBrokerPart:
    data: DataDir
    topics: Sequence[str] = ()
    """None named: those of the contracts."""
    name: str = "broker"
    needs: tuple[str, ...] = ()
    ready_timeout_s: float = 20.0
    stop_grace_s: float = 3.0

    async def launch(self, addresses: Mapping[str, str]) -> Child:
        rotate(self.data.log(self.name))
        argv = [sys.executable, "-m", "deploy.local.broker", *self.topics]
        return await spawn(Command(argv, env=python_env(), announces=True), self.data.log(self.name), self.data.root)

    async def ready(self, child: Child) -> str:
        assert isinstance(child, SpawnedChild)
        line = await child.announcement()
        try:
            return str(json.loads(line)["bootstrap"])
        except (ValueError, KeyError) as e:
            raise Retryable("broker_failed", "the broker did not say its address") from e
