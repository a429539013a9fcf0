"""A single-node Apache Kafka in a directory: formatted once, then started and stopped with its data kept."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from deploy.local.parts.kafka.install import jars, java
from deploy.local.supervisor.preflight import free_port
from deploy.local.supervisor.processes import Child, Command, run, spawn
from shared.core.errors import Permanent
from shared.messaging import topics

READY_TIMEOUT_S: Final = 60.0  # 4 s on two idle cores
FORMAT_TIMEOUT_S: Final = 60.0  # 1.5 s on two idle cores
STOP_GRACE_S: Final = 20.0

# Small and quick to start, for a single user's machine. `-Xshare` and the simplest compiler and collector save more
# at start than they cost at our rates.
_JVM: Final = ("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto",
               "-Djava.awt.headless=true", "-Dorg.apache.logging.log4j.level=WARN")  # fmt: skip


@dataclass(frozen=True)
class Listener:
    """A second listener. `properties` are those of Kafka without `listener.name.<name>.` before them."""

    protocol: str
    properties: Mapping[str, str]


_SECOND: Final = "second"


def _with_second(settings: dict[str, object], listener: Listener, port: int) -> dict[str, object]:
    address = f",{_SECOND.upper()}://127.0.0.1:{port}"
    extended = {
        "listeners": f"{settings['listeners']}{address}",
        "advertised.listeners": f"{settings['advertised.listeners']}{address}",
        "listener.security.protocol.map": (
            f"{settings['listener.security.protocol.map']},{_SECOND.upper()}:{listener.protocol}"
        ),
    }
    return settings | extended | {f"listener.name.{_SECOND}.{k}": v for k, v in listener.properties.items()}


def _properties(directory: Path, port: int, controller_port: int) -> dict[str, object]:
    return {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": directory / "data",
        # One node cannot hold copies.
        "default.replication.factor": 1,
        "offsets.topic.replication.factor": 1,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        # Four groups of one member each: no partitions by the dozen, no waiting for more members.
        "offsets.topic.num.partitions": 4,
        "group.initial.rebalance.delay.ms": 0,
        # After kill -9 the controller takes a node back only when its old session has ended: 9 s by default.
        "broker.session.timeout.ms": 3000,
        "broker.heartbeat.interval.ms": 500,
        "auto.create.topics.enable": "false",
        "num.network.threads": 2,
        "num.io.threads": 4,
        "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
    }


class ApacheKafka:
    """`async with ApacheKafka(directory) as kafka:` runs a node with all our topics; `kafka.bootstrap` is its address.

    The same directory again continues with the same data. `partitions` applies to topics that are created now.
    """

    def __init__(
        self,
        directory: Path,
        *,
        partitions: int = 1,
        second: Listener | None = None,
        ready_timeout_s: float = READY_TIMEOUT_S,
    ) -> None:
        self._directory = directory
        self._ready_timeout_s = ready_timeout_s
        self._partitions = partitions
        self._second = second
        self._port = self._controller_port = self._second_port = 0
        self._child: Child | None = None
        self._log = directory / "kafka.log"

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self._port}"

    @property
    def second_bootstrap(self) -> str:
        return f"127.0.0.1:{self._second_port}"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    async def start(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        await self.prepare(self._log)
        self._child = await spawn(self.command(), self._log, self._directory)
        try:
            async with asyncio.timeout(self._ready_timeout_s):
                await self._ready_or_ended(self._child)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        if self._child:
            await self._child.stop(STOP_GRACE_S)
        self._child = None

    async def kill(self) -> None:
        """End it as a crash does."""
        self.signal(signal.SIGKILL)
        if self._child:
            await self._child.ended()
        self._child = None

    def signal(self, how: signal.Signals) -> None:
        """Send a signal to its process, if there is one."""
        if self._child:
            self._child.id.signal(how)

    async def prepare(self, log: Path) -> None:
        """Give the directory its cluster id, once. Blocking downloads run in a thread."""
        java_path, jar_dir = await asyncio.to_thread(lambda: (java(), jars()))
        self._run = [java_path, *_JVM, "-cp", f"{jar_dir}/*"]
        # The same ports as before while they are free, so that clients need not learn a new address.
        self._port = free_port(self._port)
        self._controller_port = free_port(self._controller_port)
        while self._controller_port == self._port:
            self._controller_port = free_port()
        self._second_port = free_port(self._second_port)
        while self._second_port in (self._port, self._controller_port):
            self._second_port = free_port()
        if (self._directory / "data" / "meta.properties").exists():
            return
        format_it = ["kafka.tools.StorageTool", "format", "-t", new_cluster_id(), "-c", str(self._settings())]
        command = Command([*self._run, *format_it], env=_env())
        if code := await run(command, log, self._directory, timeout_s=FORMAT_TIMEOUT_S):
            raise Permanent("kafka_format_failed", f"Kafka's storage tool ended with exit code {code}.", f"See {log}.")

    def command(self) -> Command:
        return Command([*self._run, "kafka.Kafka", str(self._settings())], env=_env())

    async def answers(self) -> None:
        """Return once it accepts requests and has every topic."""
        await topics.create_missing(self.bootstrap, partitions=self._partitions, replicas=1)

    async def _ready_or_ended(self, child: Child) -> None:
        answers, ended = asyncio.ensure_future(self.answers()), asyncio.ensure_future(child.ended())
        try:
            await asyncio.wait([answers, ended], return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                raise Permanent("kafka_ended", f"Kafka ended with exit code {ended.result()}.", f"See {self._log}.")
            answers.result()
        finally:
            answers.cancel()
            ended.cancel()
            await asyncio.gather(answers, ended, return_exceptions=True)

    def _settings(self) -> Path:
        path = self._directory / "server.properties"
        settings = _properties(self._directory, self._port, self._controller_port)
        if self._second:
            settings = _with_second(settings, self._second, self._second_port)
        path.write_text("".join(f"{k}={v}\n" for k, v in settings.items()))
        return path


def new_cluster_id(new: Callable[[], uuid.UUID] = uuid.uuid4) -> str:
    """A UUID in Kafka's notation. One in 64 begins with a dash, which Kafka's tools take for an option."""
    while (cluster_id := base64.urlsafe_b64encode(new().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return cluster_id


def _env() -> dict[str, str]:
    """Without the Kafka and Java variables of the user's shell, which must not reach this node."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("KAFKA_", "JAVA_TOOL_OPTIONS", "CLASSPATH"))}
