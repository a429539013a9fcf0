"""Starting and ending the processes that the supervisor keeps."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from abc import ABC, abstractmethod
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.local.accounts import Account
from deploy.local.identity import ProcessId
from deploy.local.paths import SOURCE_ROOT

_LAUNCHER: Final = Path(__file__).with_name("launch.py")


@dataclass(frozen=True)
class Command:
    """What to run. `account` None: as ourselves; `announces`: its first line on stdout is for us."""

    argv: Sequence[str]
    env: Mapping[str, str]
    stop_signal: signal.Signals = signal.SIGTERM
    orphan_signal: signal.Signals = signal.SIGKILL
    """What the kernel sends it when we die (Linux)."""
    account: Account | None = None
    traverse: bool = False
    """With `account`: it must pass through directories that only root may enter."""
    announces: bool = False
    inherits: Sequence[int] = ()
    """File descriptors that stay open in it."""


class Child(ABC):
    """A running process, the leader of a group of its own."""

    def __init__(self, pid: int, stop_signal: signal.Signals) -> None:
        self.id = ProcessId.of(pid) or ProcessId(pid, "ended")
        self._stop_signal = stop_signal
        self._cleared = False

    @abstractmethod
    async def _exit_code(self) -> int:
        """Wait for its end. Several may wait; negative: the signal that ended it."""

    async def ended(self) -> int:
        """Wait for its end, clear away what is left of its group; returns its exit code."""
        code = await self._exit_code()
        if not self._cleared:  # once: later the number may be another group's
            self._cleared = True
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.id.pid, signal.SIGKILL)
        return code

    async def stop(self, grace_s: float) -> None:
        """Ask it to end, then insist."""
        self.id.signal(self._stop_signal)
        try:
            async with asyncio.timeout(grace_s):
                await self.ended()
        except TimeoutError:
            self.id.signal(signal.SIGKILL, group=True)
            await self.ended()


class SpawnedChild(Child):
    """A program of its own."""

    def __init__(self, process: asyncio.subprocess.Process, command: Command) -> None:
        super().__init__(process.pid, command.stop_signal)
        self._process = process

    async def announcement(self) -> str:
        """The first line of its stdout; empty when it ended without one."""
        assert self._process.stdout is not None
        return (await self._process.stdout.readline()).decode().strip()

    async def _exit_code(self) -> int:
        return await self._process.wait()


async def spawn(command: Command, log: Path, cwd: Path) -> SpawnedChild:
    """Start a process whose output goes to `log`. Call it from the main thread: the kernel takes the end of the
    thread that started a child for the end of its parent."""
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *_launched(command),
            stdin=DEVNULL,
            stdout=PIPE if command.announces else output,
            stderr=output,
            cwd=cwd,
            env=dict(command.env),
            start_new_session=True,
            pass_fds=tuple(command.inherits),
        )
    return SpawnedChild(process, command)


def python_env(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a Python child that imports our packages from where we did."""
    path = os.pathsep.join(p for p in (str(SOURCE_ROOT), os.environ.get("PYTHONPATH", "")) if p)
    # Safe path: a file of the user's working directory must not shadow a module.
    return os.environ | {"PYTHONPATH": path, "PYTHONSAFEPATH": "1", "PYTHONUNBUFFERED": "1"} | dict(extra or {})


def _launched(command: Command) -> list[str]:
    order = {
        "parent": os.getpid(),
        "parent_death_signal": int(command.orphan_signal),
        "uid": command.account.uid if command.account else None,
        "gid": command.account.gid if command.account else None,
        "traverse": command.traverse,
    }
    return [sys.executable, "-I", "-S", str(_LAUNCHER), json.dumps(order), *command.argv]
