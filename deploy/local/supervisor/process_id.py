"""Identity of a process: its number, and its start time, which tells it from a later process of the same number."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ProcessId:
    """`started` differs between two processes that had the same `pid`, also across a reboot."""

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> ProcessId | None:
        """None if no such process is running (a zombie is not)."""
        started = _started_linux(pid) if sys.platform == "linux" else _started_by_ps(pid)
        return cls(pid, started) if started else None

    @property
    def alive(self) -> bool:
        return ProcessId.of(self.pid) == self

    def signal(self, number: signal.Signals, *, group: bool = False) -> None:
        """Send a signal, unless the process has ended."""
        if self.alive:
            with suppress(ProcessLookupError, PermissionError):
                (os.killpg if group else os.kill)(self.pid, number)


def program_name(pid: int) -> str:
    """The file name of the running program; empty if the process has ended."""
    try:
        if sys.platform == "linux":
            return Path(f"/proc/{pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return Path(_ps("comm=", pid).strip()).name


def wait_until_reaped(pid: int, seconds: float) -> None:
    """Wait, at most so many seconds, for the parent of a dead process to reap it: until then it keeps its number."""
    deadline = time.monotonic() + seconds
    while _has_number(pid) and time.monotonic() < deadline:
        time.sleep(0.02)


def _has_number(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def end_all(processes: Iterable[ProcessId], grace_s: float) -> None:
    """Wait for processes that were asked to end, then kill the rest. Blocks for at most `grace_s` + 5 s."""
    remaining = _wait(processes, grace_s)
    for process in remaining:
        process.signal(signal.SIGKILL, group=True)
    _wait(remaining, 5.0)


def _wait(processes: Iterable[ProcessId], seconds: float) -> list[ProcessId]:
    """The processes that are still alive after so many seconds."""
    deadline = time.monotonic() + seconds
    while (alive := [p for p in processes if p.alive]) and time.monotonic() < deadline:
        time.sleep(0.02)
    return alive


def _started_linux(pid: int) -> str | None:
    """Boot id and start time in ticks, which, unlike a wall-clock time, do not depend on clock changes."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, start_ticks = fields[0], fields[19]  # fields 3 and 22 of proc_pid_stat(5)
    return None if state in "ZX" else f"{boot}:{start_ticks}"


def _started_by_ps(pid: int) -> str | None:
    shown = _ps("stat=,lstart=", pid).split(None, 1)
    return None if len(shown) < 2 or shown[0].startswith("Z") else shown[1].strip()


def _ps(columns: str, pid: int) -> str:
    return subprocess.run(["ps", "-o", columns, "-p", str(pid)], capture_output=True, text=True, check=False).stdout
