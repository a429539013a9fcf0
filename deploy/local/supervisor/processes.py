"""The process launcher: every process of a local system is started, ended and waited for through this module.

`spawn` starts a program, `run` also waits for its end, `spawn_detached` starts one that outlives us. Each child leads a
session of its own, writes to a log file, and, except for a detached one, is ended by the kernel when we end (Linux).
The services are forked instead, by the fork server, which gives its children the same guarantees.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from abc import ABC, abstractmethod
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.local.supervisor.data_dir import SOURCE_ROOT
from deploy.local.supervisor.logs import rotate
from deploy.local.supervisor.process_id import ProcessId

_CHILD_SETUP: Final = Path(__file__).with_name("child_setup.py")


@dataclass(frozen=True)
class Account:
    """An operating-system account, by its numbers."""

    uid: int
    gid: int


@dataclass(frozen=True)
class Command:
    """A program to run. `account` None: the account that we run as."""

    argv: Sequence[str]
    env: Mapping[str, str]
    stop_signal: signal.Signals = signal.SIGTERM
    orphan_signal: signal.Signals = signal.SIGKILL
    """What the kernel sends it when we end (Linux)."""
    account: Account | None = None
    traverse: bool = False
    """With `account`: it must pass through directories that only root may enter."""
    announces: bool = False
    """Its first line on stdout is read by us (`SpawnedChild.announcement`) instead of going to the log."""
    inherits: Sequence[int] = ()
    """File descriptors that stay open in it."""


class Child(ABC):
    """A running process, the leader of a process group of its own."""

    def __init__(self, pid: int, stop_signal: signal.Signals) -> None:
        self.id = ProcessId.of(pid) or ProcessId(pid, "ended")
        self._stop_signal = stop_signal
        self._cleared = False

    @abstractmethod
    async def _exit_code(self) -> int:
        """Wait for its end. Several callers may wait. A negative code is the signal that ended it."""

    async def ended(self) -> int:
        """Wait for its end and kill the rest of its process group; returns its exit code."""
        code = await self._exit_code()
        if not self._cleared:  # once: later the number may belong to another group
            self._cleared = True
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.id.pid, signal.SIGKILL)
        return code

    async def stop(self, grace_s: float) -> None:
        """Ask it to end, and kill it if it has not after `grace_s` seconds."""
        self.id.signal(self._stop_signal)
        try:
            async with asyncio.timeout(grace_s):
                await self.ended()
        except TimeoutError:
            self.id.signal(signal.SIGKILL, group=True)
            await self.ended()


class SpawnedChild(Child):
    """A program that `spawn` started."""

    def __init__(self, process: asyncio.subprocess.Process, command: Command) -> None:
        super().__init__(process.pid, command.stop_signal)
        self._process = process

    async def announcement(self) -> str:
        """The first line of its stdout; empty if it ended without one."""
        assert self._process.stdout is not None
        return (await self._process.stdout.readline()).decode().strip()

    async def _exit_code(self) -> int:
        return await self._process.wait()


async def spawn(command: Command, log: Path, cwd: Path) -> SpawnedChild:
    """Start a program whose output is appended to `log`. Call it from the main thread: the kernel takes the end of the
    thread that started a child for the end of its parent."""
    rotate(log)
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *_with_setup(command),
            stdin=DEVNULL,
            stdout=PIPE if command.announces else output,
            stderr=output,
            cwd=cwd,
            env=dict(command.env),
            start_new_session=True,
            pass_fds=tuple(command.inherits),
        )
    return SpawnedChild(process, command)


async def run(command: Command, log: Path, cwd: Path, *, timeout_s: float) -> int:
    """Start a program and wait for its end; returns its exit code. Raises TimeoutError; it is killed then."""
    child = await spawn(command, log, cwd)
    try:
        async with asyncio.timeout(timeout_s):
            return await child.ended()
    except BaseException:
        await child.stop(0)
        raise


def spawn_detached(argv: Sequence[str], log: Path, *, inherits: Sequence[int]) -> subprocess.Popen[bytes]:
    """Start a Python program that outlives us. Not through asyncio, whose transports kill a child when they are
    collected."""
    with log.open("ab") as output:
        return subprocess.Popen(
            argv, stdin=DEVNULL, stdout=output, stderr=output, env=python_env(), start_new_session=True,
            pass_fds=tuple(inherits),
        )  # fmt: skip


def python_env(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a Python child that imports our packages from where we did."""
    path = os.pathsep.join(p for p in (str(SOURCE_ROOT), os.environ.get("PYTHONPATH", "")) if p)
    # Safe path: a file in the user's working directory must not shadow a module.
    return os.environ | {"PYTHONPATH": path, "PYTHONSAFEPATH": "1", "PYTHONUNBUFFERED": "1"} | dict(extra or {})


def _with_setup(command: Command) -> list[str]:
    setup = {
        "parent": os.getpid(),
        "parent_death_signal": int(command.orphan_signal),
        "uid": command.account.uid if command.account else None,
        "gid": command.account.gid if command.account else None,
        "traverse": command.traverse,
    }
    return [sys.executable, "-I", "-S", str(_CHILD_SETUP), json.dumps(setup), *command.argv]
