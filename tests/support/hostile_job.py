"""Within a job: what a parser that was taken over would try. `work` tells what came of it."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from shared.sandbox.channel import Job
from shared.sandbox.server import ask


def work(job: Job) -> Job:
    try:
        return {"done": _ATTEMPTS[job["try"]](job)}
    except (OSError, PermissionError) as error:
        return {"refused": error.errno}


def _grow(job: Job) -> int:
    return len([bytearray(64 << 20) for _ in range(100)])


def _spin(job: Job) -> None:
    while True:
        pass


def _fill(job: Job) -> int:
    with Path(job["path"]).open("wb") as file:
        return sum(file.write(bytes(1 << 20)) for _ in range(100))


def _trace(job: Job) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(16, job["pid"], 0, 0) < 0:  # PTRACE_ATTACH
        raise OSError(ctypes.get_errno(), "ptrace")
    return 0


def _mount(job: Job) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"none", job["path"].encode(), b"tmpfs", 0, None) < 0:
        raise OSError(ctypes.get_errno(), "mount")
    return 0


def _sockets(job: Job) -> int:
    """How many it could speak on: its own connection is one."""
    found = 0
    for descriptor in range(256):
        with suppress(OSError):
            found += stat.S_ISSOCK(os.fstat(descriptor).st_mode)
    return found


def _sign_twice(job: Job) -> list[Any]:
    return [ask({"sign": "YQ=="}), ask({"sign": "Yg=="})]


_ATTEMPTS: dict[str, Callable[[Job], Any]] = {
    "memory": _grow,
    "time": _spin,
    "disk": _fill,
    "crash": lambda job: ctypes.string_at(0),
    "exit": lambda job: os._exit(0),
    "network": lambda job: socket.create_connection(("127.0.0.1", job["port"]), 5).close(),
    "local socket": lambda job: socket.socket(socket.AF_UNIX).close(),
    "read": lambda job: Path(job["path"]).read_text(),
    "write": lambda job: Path(job["path"]).write_text("x"),
    "environment": lambda job: Path(f"/proc/{job['pid']}/environ").read_bytes().decode(),
    "kill": lambda job: os.kill(job["pid"], signal.SIGTERM),
    "fork": lambda job: os.fork(),
    "program": lambda job: os.execv("/bin/sh", ["sh", "-c", "exit 0"]),
    "trace": _trace,
    "mount": _mount,
    "sign twice": _sign_twice,
    "sockets": _sockets,
}
