"""Starts processes that need not import again what it has imported: `python -m deploy.local.forkserver SOCKET`.

The four services share nine tenths of their imports, over a second of processor time each. Here that is done once;
each service is then forked, becomes the leader of a session of its own, and runs as if it had been started by itself.
It never runs anything of a service's, starts no thread, and opens nothing before it forks.

One JSON message per packet. To it: {"order": N, "call": "module:function", "args": […], "env": {…}, "cwd": PATH,
"listen": NAME} with two file descriptors: its log, and its listening socket, whose number it finds in the variable
NAME. From it: {"imported": true}, {"order": N, "pid": P}, {"ended": P, "code": C}. It ends when the socket does.
"""

from __future__ import annotations

import ctypes
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

MESSAGE_BYTES: Final = 262_144  # an environment is some kilobytes
DESCRIPTORS: Final = 2
# <linux/prctl.h>
PR_SET_PDEATHSIG: Final = 1
PR_SET_NAME: Final = 15

SHARED_IMPORTS: Final = (
    "shared.web.server", "shared.service", "shared.jobs.worker", "shared.objects.directory",
    "shared.contracts.catalogue", "uvicorn.protocols.http.httptools_impl", "uvicorn.protocols.websockets.auto",
    "uvicorn.loops.uvloop", "uvicorn.lifespan.on", "uvloop", "httptools", "httpx", "pydantic.v1", "av",
)  # fmt: skip
"""What two services or more import. Never numpy: it starts threads of its own, which a fork does not bring along."""


def main(link: socket.socket) -> None:
    for name in SHARED_IMPORTS:
        with suppress(ImportError):  # then whoever needs it says so
            importlib.import_module(name)
    gc.collect()
    gc.freeze()  # the collector would touch, and so copy, every page that the children share
    wakeup, wake = socket.socketpair()
    for end in (wakeup, wake):
        end.setblocking(False)
    signal.set_wakeup_fd(wake.fileno())
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    _say(link, {"imported": True})
    while True:
        readable, _, _ = select.select([link, wakeup], [], [])
        if wakeup in readable:
            wakeup.recv(4096)
            _report_ended(link)
        if link in readable:
            message, descriptors, _, _ = socket.recv_fds(link, MESSAGE_BYTES, DESCRIPTORS)
            if not message:
                return
            order = json.loads(message)
            _say(link, {"order": order["order"], "pid": _fork(order, descriptors, [link, wakeup, wake])})


def _fork(order: dict[str, Any], descriptors: list[int], ours: list[socket.socket]) -> int:
    if len(os.listdir("/proc/self/task")) != 1:
        raise RuntimeError("an import has started a thread, which a fork would not bring along")
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        _child(order, descriptors, ours, parent)
    for descriptor in descriptors:
        os.close(descriptor)
    return pid


def _child(order: dict[str, Any], descriptors: list[int], ours: list[socket.socket], parent: int) -> NoReturn:
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for end in ours:
            end.close()
        os.setsid()
        libc = ctypes.CDLL(None)
        libc.prctl(PR_SET_NAME, f"retake-{order['args'][0]}".encode(), 0, 0, 0)  # for `top`
        libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != parent:  # it died before we could ask
            os._exit(1)
        _settle_in(order, *descriptors)
        module, _, function = order["call"].partition(":")
        getattr(importlib.import_module(module), function)(*order["args"])
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


def _settle_in(order: dict[str, Any], log: int, listening: int) -> None:
    nowhere = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nowhere, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.close(nowhere)
    os.close(log)
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"] | {order["listen"]: str(listening)})
    sys.argv = [order["call"], *order["args"]]


def _report_ended(link: socket.socket) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        _say(link, {"ended": pid, "code": os.waitstatus_to_exitcode(status)})


def _say(link: socket.socket, message: dict[str, Any]) -> None:
    try:
        link.send(json.dumps(message).encode())
    except OSError:
        sys.exit(0)  # nobody listens any more


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as inherited:
        inherited.set_inheritable(False)
        main(inherited)
