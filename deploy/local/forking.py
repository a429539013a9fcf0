"""The fork server as a part, and the processes that it starts for us."""

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

from deploy.local.children import Child, Command, python_env, spawn
from deploy.local.forkserver import MESSAGE_BYTES
from deploy.local.logs import rotate
from deploy.local.paths import DataDir
from shared.core.errors import Retryable


class ForkedChild(Child):
    """A child of the fork server's, which tells us how it ended."""

    def __init__(self, pid: int) -> None:
        super().__init__(pid, signal.SIGTERM)
        self.end: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def _exit_code(self) -> int:
        return await asyncio.shield(self.end)


def listen_variable(service: str) -> str:
    """Where a service looks for the number of the socket that it is to serve on."""
    return f"{service.upper()}_LISTEN_FD"


@dataclass
class ForkServerPart:
    """Services need it, so that they are started again when it ends: its children never outlive it."""

    data: DataDir
    name: str = "launcher"
    needs: tuple[str, ...] = ()
    ready_timeout_s: float = 60.0
    stop_grace_s: float = 3.0
    _link: _Link | None = None

    async def launch(self, addresses: Mapping[str, str]) -> Child:
        log = self.data.log(self.name)
        rotate(log)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            argv = [sys.executable, "-m", "deploy.local.forkserver", str(theirs.fileno())]
            command = Command(argv, env=python_env(), inherits=[theirs.fileno()])
            child = await spawn(command, log, self.data.root)
        self._link = _Link(ours)
        return child

    async def ready(self, child: Child) -> str:
        assert self._link
        await self._link.imported
        return f"process {child.id.pid}"

    async def fork(self, call: str, service: str, env: Mapping[str, str], listening: socket.socket) -> Child:
        """Run `module:function(service)` in a new process that serves on that socket."""
        if self._link is None:
            raise Retryable("launcher_gone", "the launcher does not run")
        order = {"call": call, "args": [service], "env": dict(env), "cwd": str(self.data.root)}
        with self.data.log(service).open("ab") as output:
            return await self._link.order(
                order | {"listen": listen_variable(service)}, [output.fileno(), listening.fileno()]
            )


class _Link:
    """Our end of the fork server's socket."""

    def __init__(self, ours: socket.socket) -> None:
        self._loop = asyncio.get_running_loop()
        self.imported: asyncio.Future[None] = self._loop.create_future()
        self._socket = ours
        self._socket.setblocking(False)
        self._numbers = itertools.count()
        self._ordered: dict[int, asyncio.Future[ForkedChild]] = {}
        self._children: dict[int, ForkedChild] = {}
        self._loop.add_reader(ours, self._read)

    async def order(self, order: dict[str, Any], descriptors: list[int]) -> ForkedChild:
        number = next(self._numbers)
        self._ordered[number] = self._loop.create_future()
        try:
            socket.send_fds(self._socket, [json.dumps(order | {"order": number}).encode()], descriptors)
            return await self._ordered[number]
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
            case {"order": int(number), "pid": int(pid)}:
                self._children[pid] = child = ForkedChild(pid)
                waiting = self._ordered.pop(number)
                if waiting.cancelled():  # whoever asked for it is gone
                    child.id.signal(signal.SIGKILL)
                else:
                    waiting.set_result(child)
            case {"ended": int(pid), "code": int(code)}:
                self._children.pop(pid).end.set_result(code)

    def _closed(self) -> None:
        """The fork server has ended. The kernel has killed its children; nobody will tell us their exit codes."""
        self._loop.remove_reader(self._socket)
        self._socket.close()
        for child in self._children.values():
            child.id.signal(signal.SIGKILL, group=True)
            child.end.set_result(-signal.SIGKILL)
        for waiting in self._ordered.values():
            if not waiting.done():
                waiting.set_exception(Retryable("launcher_gone", "the launcher has ended"))
        self._children.clear()
        self._ordered.clear()
        if not self.imported.done():
            self.imported.set_exception(Retryable("launcher_gone", "the launcher has ended"))
            self.imported.exception()  # perhaps nobody waits for it
