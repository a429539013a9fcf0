"""Apache Kafka as a part of the system, instead of the embedded broker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from deploy.local.parts.kafka.node import READY_TIMEOUT_S, STOP_GRACE_S, ApacheKafka
from deploy.local.supervisor.data_dir import DataDir
from deploy.local.supervisor.processes import Child, spawn


@dataclass
class ApacheBrokerPart:
    data: DataDir
    name: str = "broker"
    needs: tuple[str, ...] = ()
    ready_timeout_s: float = READY_TIMEOUT_S
    stop_grace_s: float = STOP_GRACE_S

    def __post_init__(self) -> None:
        self._kafka = ApacheKafka(self.data.kafka)

    async def launch(self, addresses: Mapping[str, str]) -> Child:
        log = self.data.log(self.name)
        self.data.kafka.mkdir(mode=0o700, exist_ok=True)
        await self._kafka.prepare(log)
        return await spawn(self._kafka.command(), log, self.data.kafka)

    async def ready(self, child: Child) -> str:
        await self._kafka.answers()
        return self._kafka.bootstrap
