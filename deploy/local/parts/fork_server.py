"""The fork server as a part, and the processes that it forks for us (`deploy.local.supervisor.fork_server`)."""

from __future__ import annotations

import asyncio
import itertools
import json
import signal
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deploy.local.supervisor.data_dir import DataDir
from deploy.local.supervisor.fork_server import MESSAGE_BYTES
from deploy.local.supervisor.logs import rotate
from deploy.local.supervisor.processes import Child, Command, python_env, spawn
from shared.core.errors import Retryable


class ForkedChild(Child):
    """A child of the fork server, which reports its exit code to us."""

    def __init__(self, pid: int) -> None:
        super().__init__(pid, signal.SIGTERM)
        self.exit_code: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def _exit_code(self) -> int:
        return await asyncio.shield(self.exit_code)


def listen_variable(service: str) -> str:
    """The environment variable in which a service finds the number of its listening socket."""
    return f"{service.upper()}_LISTEN_FD"


@dataclass
class ForkServerPart:
    """The services need this part, so they are restarted when it ends: its children never outlive it."""

    data: DataDir
    name: str = "launcher"
    needs: tuple[str, ...] = ()
    ready_timeout_s: float = 60.0
    stop_grace_s: float = 3.0
    _connection: _Connection | None = None

    async def launch(self, addresses: Mapping[str, str]) -> Child:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            argv = [sys.executable, "-m", "deploy.local.supervisor.fork_server", str(theirs.fileno())]
            command = Command(argv, env=python_env(), inherits=[theirs.fileno()])
            child = await spawn(command, self.data.log(self.name), self.data.root)
        self._connection = _Connection(ours)
        return child

    async def ready(self, child: Child) -> str:
        assert self._connection
        await self._connection.imported
        return f"process {child.id.pid}"

    async def fork(self, call: str, service: str, env: Mapping[str, str], listening: socket.socket) -> Child:
        """Run `module:function(service)` in a new process that serves on that socket.

        Raises Retryable if the fork server is not running.
        """
        if self._connection is None:
            raise Retryable("launcher_gone", "the launcher is not running")
        log = self.data.log(service)
        rotate(log)
        request = {
            "call": call, "args": [service], "env": dict(env), "cwd": str(self.data.root),
            "listen": listen_variable(service),
        }  # fmt: skip
        with log.open("ab") as output:
            return await self._connection.fork(request, [output.fileno(), listening.fileno()])


class _Connection:
    """Our end of the fork server's socket."""

    def __init__(self, ours: socket.socket) -> None:
        self._loop = asyncio.get_running_loop()
        self.imported: asyncio.Future[None] = self._loop.create_future()
        self._socket = ours
        self._socket.setblocking(False)
        self._numbers = itertools.count()
        self._requested: dict[int, asyncio.Future[ForkedChild]] = {}
        self._children: dict[int, ForkedChild] = {}
        self._loop.add_reader(ours, self._read)

    async def fork(self, request: dict[str, Any], descriptors: list[int]) -> ForkedChild:
        number = next(self._numbers)
        self._requested[number] = self._loop.create_future()
        try:
            socket.send_fds(self._socket, [json.dumps(request | {"request": number}).encode()], descriptors)
            return await self._requested[number]
        except OSError as e:
            raise Retryable("launcher_gone", f"the launcher does not answer: {e}") from e

    def _read(self) -> None:
        try:
            message = self._socket.recv(MESSAGE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            message = b""
        if not message:
            self._closed()
            return
        match json.loads(message):
            case {"imported": True}:
                self.imported.set_result(None)
            case {"request": int(number), "pid": int(pid)}:
                self._children[pid] = child = ForkedChild(pid)
                requested = self._requested.pop(number)
                if requested.cancelled():  # its service is being stopped already
                    child.id.signal(signal.SIGKILL)
                else:
                    requested.set_result(child)
            case {"ended": int(pid), "code": int(code)}:
                self._children.pop(pid).exit_code.set_result(code)

    def _closed(self) -> None:
        """The fork server has ended. The kernel has killed its children; their exit codes are unknown."""
        self._loop.remove_reader(self._socket)
        self._socket.close()
        for child in self._children.values():
            child.id.signal(signal.SIGKILL, group=True)
            child.exit_code.set_result(-signal.SIGKILL)
        for requested in self._requested.values():
            if not requested.done():
                requested.set_exception(Retryable("launcher_gone", "the launcher has ended"))
        self._children.clear()
        self._requested.clear()
        if not self.imported.done():
            self.imported.set_exception(Retryable("launcher_gone", "the launcher has ended"))
            self.imported.exception()  # retrieved, in case nobody is waiting for it
