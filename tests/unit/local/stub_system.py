"""A whole system whose four services are small stand-ins, so that the supervisor can be tested by itself.

PostgreSQL, the broker, databases, migrations, supervisor and daemon are the real ones. A stand-in is ready when its
database and its broker answer, and tells its environment at /.

`Running` is for tests; the programs it starts are this file: `serve NAME`, `up OPTIONS`, `background SOCKET`.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

STUB = str(Path(__file__).resolve())


class Running:
    """`with Running(data, port=…) as system:` is `up --json` in the foreground, ready; at the end it is stopped."""

    def __init__(self, data: Path, env: dict[str, str] | None = None, **options: Any) -> None:
        from deploy.local.supervisor.processes import python_env

        self.data = data
        self._argv = [sys.executable, STUB, "up", json.dumps({"data": str(data)} | options)]
        self._env = python_env(env)
        self.summary: dict[str, Any] = {}

    def __enter__(self) -> Self:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(self._argv, stdout=pipe, stderr=pipe, text=True, env=self._env)
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            _, errors = self.process.communicate()
            raise NotStarted(errors)
        self.summary = json.loads(line)
        return self

    def __exit__(self, *exc: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=60)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def parts(self) -> dict[str, Any]:
        """The parts as the supervisor sees them."""
        from deploy.local.supervisor.data_dir import DataDir
        from deploy.local.supervisor.state import SystemState

        state = SystemState.read(DataDir.of(self.data).state)
        return {p.name: p for p in state.parts} if state else {}

    def ready(self) -> bool:
        parts = self.parts()
        return bool(parts) and all(p.state == "ready" for p in parts.values())

    def environment(self, service: str) -> dict[str, str]:
        """A stand-in's environment."""
        with urllib.request.urlopen(self.parts()[service].address, timeout=20) as answer:
            variables: dict[str, str] = json.load(answer)
        return variables


class NotStarted(Exception):
    """`up` ended before the system was ready; the message is its output."""


def stub_assembly(options: Any, data: Any, secrets: Any, held: ExitStack) -> Any:
    """The real assembly with other programs as services; forked ones with STUB_FORKED, else spawned ones."""
    from deploy.local.parts.assembly import assemble
    from deploy.local.parts.fork_server import ForkServerPart
    from deploy.local.parts.services import Forked, ServicePart, Spawned

    def stand_in(part: Any) -> Any:
        if not isinstance(part, ServicePart):
            return part
        if os.environ.get("STUB_FORKED") and isinstance(part.starter, Forked):
            starter: Any = Forked(part.starter.server, "tests.unit.local.stub_system:serve")
        else:
            starter = Spawned(data, (STUB, "serve", part.name))
        return dataclasses.replace(part, starter=starter)

    real = assemble(options, data, secrets, held)
    unused = () if os.environ.get("STUB_FORKED") else ForkServerPart
    return dataclasses.replace(real, parts=[stand_in(p) for p in real.parts if not isinstance(p, unused)])


def up(options: dict[str, Any]) -> None:
    from deploy.local.supervisor.data_dir import DataDir
    from deploy.local.supervisor.options import Broker, Options
    from deploy.local.supervisor.report import Journal, JsonObject
    from deploy.local.supervisor.system import run
    from shared.core.errors import RetakeError

    asked = Options(**options | {"broker": Broker(options.get("broker", "embedded"))})
    journal = Journal(DataDir.of(asked.data).log("supervisor"), JsonObject())
    try:
        asyncio.run(run(asked, journal, make=stub_assembly))
    except RetakeError as e:
        sys.exit(f"{e.code}: {e.cause} {e.recovery}")


def serve(name: str) -> None:
    asyncio.run(_serve(name))


async def _serve(name: str) -> None:
    prefix = name.upper()
    env = {k.removeprefix(f"{prefix}_"): v for k, v in os.environ.items() if k.startswith(f"{prefix}_")}
    if os.environ.get(f"STUB_{prefix}_FAILS"):
        sys.exit("this stand-in was configured to fail")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            path = (await reader.readuntil(b"\r\n\r\n")).split()[1]
        except asyncio.IncompleteReadError:
            writer.close()
            return
        body, status = json.dumps(env).encode(), "200 OK"
        if path == b"/health/ready" and not await _connected(env):
            status = "503 Unavailable"
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()

    listening = socket.socket(fileno=int(env["LISTEN_FD"]))
    async with await asyncio.start_server(answer, sock=listening) as server:
        await server.serve_forever()


async def _connected(env: dict[str, str]) -> bool:
    import asyncpg

    try:
        await (await asyncpg.connect(env["DATABASE_URL"])).close()
        host, _, port = env["KAFKA_BOOTSTRAP"].rpartition(":")
        (await asyncio.open_connection(host, int(port)))[1].close()
    except (OSError, asyncpg.PostgresError):
        return False
    return True


def main(argv: list[str]) -> None:
    match argv:
        case ["serve", name]:
            serve(name)
        case ["up", options]:
            up(json.loads(options))
        case ["background", descriptor]:
            from deploy.local.supervisor import background

            sys.exit(background.main(descriptor, make=stub_assembly))


if __name__ == "__main__":
    main(sys.argv[1:])
