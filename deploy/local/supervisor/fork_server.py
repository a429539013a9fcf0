"""Forks processes that need not repeat its imports: `python -m deploy.local.supervisor.fork_server SOCKET`.

The four services share nine tenths of their imports, over a second of processor time each. They are done once here;
each service is then forked, leads a session of its own, and runs as if it had been started alone. The fork server runs
no code of a service, starts no thread, and opens nothing before it forks.

One JSON message per packet. Requests: {"request": N, "call": "module:function", "args": […], "env": {…}, "cwd": PATH,
"listen": NAME} with two file descriptors: the log, and the listening socket, whose number the process finds in the
variable NAME. Reports: {"imported": true}, {"request": N, "pid": P}, {"ended": P, "code": C}. The server ends when the
other end of the socket is closed.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import traceback
from contextlib import suppress
from typing import Any, Final, NoReturn

from deploy.local.supervisor import child_setup

MESSAGE_BYTES: Final = 262_144  # an environment takes some kilobytes
DESCRIPTORS: Final = 2

SHARED_IMPORTS: Final = (
    "shared.web.server", "shared.service", "shared.jobs.worker", "shared.objects.directory",
    "shared.contracts.catalogue", "uvicorn.protocols.http.httptools_impl", "uvicorn.protocols.websockets.auto",
    "uvicorn.loops.uvloop", "uvicorn.lifespan.on", "uvloop", "httptools", "httpx", "pydantic.v1", "av",
)  # fmt: skip
"""What at least two services import. Never numpy: it starts threads, which a fork does not copy."""


def main(link: socket.socket) -> None:
    for name in SHARED_IMPORTS:
        with suppress(ImportError):  # the service that needs it reports it
            importlib.import_module(name)
    gc.collect()
    gc.freeze()  # the collector would touch, and so copy, every page that the children share
    wakeup, wake = socket.socketpair()
    for end in (wakeup, wake):
        end.setblocking(False)
    signal.set_wakeup_fd(wake.fileno())
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    _report(link, {"imported": True})
    while True:
        readable, _, _ = select.select([link, wakeup], [], [])
        if wakeup in readable:
            wakeup.recv(4096)
            _report_ended(link)
        if link in readable:
            message, descriptors, _, _ = socket.recv_fds(link, MESSAGE_BYTES, DESCRIPTORS)
            if not message:
                return
            request = json.loads(message)
            pid = _fork(request, descriptors, [link, wakeup, wake])
            _report(link, {"request": request["request"], "pid": pid})


def _fork(request: dict[str, Any], descriptors: list[int], ours: list[socket.socket]) -> int:
    if len(os.listdir("/proc/self/task")) != 1:
        raise RuntimeError("an import has started a thread, which a fork would not copy")
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        _child(request, descriptors, ours, parent)
    for descriptor in descriptors:
        os.close(descriptor)
    return pid


def _child(request: dict[str, Any], descriptors: list[int], ours: list[socket.socket], parent: int) -> NoReturn:
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for end in ours:
            end.close()
        os.setsid()
        child_setup.set_name(f"retake-{request['args'][0]}")
        child_setup.die_with_parent(parent, signal.SIGKILL)
        _set_up(request, *descriptors)
        module, _, function = request["call"].partition(":")
        getattr(importlib.import_module(module), function)(*request["args"])
        code = 0
    except SystemExit as e:
        code = e.code if isinstance(e.code, int) else int(e.code is not None)
        if isinstance(e.code, str):
            print(e.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _set_up(request: dict[str, Any], log: int, listening: int) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((null, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.close(null)
    os.close(log)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"] | {request["listen"]: str(listening)})
    sys.argv = [request["call"], *request["args"]]


def _report_ended(link: socket.socket) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        _report(link, {"ended": pid, "code": os.waitstatus_to_exitcode(status)})


def _report(link: socket.socket, message: dict[str, Any]) -> None:
    try:
        link.send(json.dumps(message).encode())
    except OSError:
        sys.exit(0)  # the supervisor has closed its end


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as inherited:
        inherited.set_inheritable(False)
        main(inherited)
