"""The embedded PostgreSQL and the embedded broker as parts."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deploy.local.parts.postgres import STOP_GRACE_S, EmbeddedPostgres
from deploy.local.supervisor.data_dir import DataDir
from deploy.local.supervisor.preflight import free_port
from deploy.local.supervisor.processes import Child, Command, SpawnedChild, python_env, spawn
from shared.core.errors import Retryable


@dataclass
class PostgresPart:
    """Its address is HOST:PORT; it keeps its port across restarts while that port is free."""

    server: EmbeddedPostgres
    data: DataDir
    name: str = "postgres"
    needs: tuple[str, ...] = ()
    ready_timeout_s: float = 120.0  # a long crash recovery
    stop_grace_s: float = STOP_GRACE_S
    _port: int = 0

    async def launch(self, addresses: Mapping[str, str]) -> Child:
        await self.server.initialise()
        await asyncio.to_thread(self.server.clear_stale)
        self._port = free_port(self._port)
        return await spawn(self.server.command(self._port), self.data.log(self.name), self.data.root)

    async def ready(self, child: Child) -> str:
        await self.server.answers(self._port)
        return f"127.0.0.1:{self._port}"


@dataclass
class EmbeddedBrokerPart:
    """Its address is HOST:PORT, new at each start. `topics` empty: those of the contracts."""

    data: DataDir
    topics: Sequence[str] = ()
    name: str = "broker"
    needs: tuple[str, ...] = ()
    ready_timeout_s: float = 20.0
    stop_grace_s: float = 3.0

    async def launch(self, addresses: Mapping[str, str]) -> Child:
        argv = [sys.executable, "-m", "deploy.local.parts.broker", *self.topics]
        return await spawn(Command(argv, env=python_env(), announces=True), self.data.log(self.name), self.data.root)

    async def ready(self, child: Child) -> str:
        assert isinstance(child, SpawnedChild)
        line = await child.announcement()
        try:
            return str(json.loads(line)["bootstrap"])
        except (ValueError, KeyError) as e:
            raise Retryable("broker_failed", "the broker did not print its address") from e
