"""How much of the machine this process may use: within a container less than the machine has, by its control group
(cgroup version 2 or 1). Where there is none, the machine decides."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

CGROUPS: Final = Path("/sys/fs/cgroup")
PROCESS: Final = Path("/proc/self/cgroup")


_UNLIMITED: Final = 1 << 62  # version 1 writes the largest multiple of a page


def processors(cgroups: Path = CGROUPS, process: Path = PROCESS) -> int:
    """At least 1: the processors that we may run on, and no more than the quota of `processor_quota`."""
    ours = available_processors()
    quota = processor_quota(cgroups, process)
    return ours if quota is None else min(ours, quota)


def available_processors() -> int:
    """The processors that the kernel may run us on; programs that ask the system see these, whatever our quota is."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor_quota(cgroups: Path = CGROUPS, process: Path = PROCESS) -> int | None:
    """How many processors' time we may use, rounded up, by `cpu.max` (`QUOTA PERIOD` in µs) and, in version 1,
    `cpu.cfs_quota_us`; None without a limit."""
    quotas = []
    for line in _settings("cpu.max", cgroups, process):
        quota, _, period = line.partition(" ")
        if quota != "max":
            quotas.append((int(quota), int(period or 100_000)))
    for folder in _groups("cpu", cgroups, process):
        time, per = _value(folder / "cpu.cfs_quota_us"), _value(folder / "cpu.cfs_period_us")
        if time and per and int(time) > 0:
            quotas.append((int(time), int(per)))
    return min((max(1, math.ceil(quota / period)) for quota, period in quotas), default=None)


def memory_limit(cgroups: Path = CGROUPS, process: Path = PROCESS) -> int | None:
    """Bytes after which the kernel kills us, or None."""
    limits = [int(line) for line in _settings("memory.max", cgroups, process) if line != "max"]
    first = (_value(folder / "memory.limit_in_bytes") for folder in _groups("memory", cgroups, process))
    limits += [int(line) for line in first if line and int(line) < _UNLIMITED]
    return min(limits, default=None)


def _settings(name: str, cgroups: Path, process: Path) -> Iterator[str]:
    """The value, in version 2, in our group and in each above it: all of them bind."""
    for folder in _groups("", cgroups, process):
        if value := _value(folder / name):
            yield value


def _groups(controller: str, cgroups: Path, process: Path) -> Iterator[Path]:
    """Our group and each above it, of a controller of version 1, or (without a name) in version 2. A container sees its
    own group as the root, but may know it by the machine's name for it."""
    try:
        lines = [line.split(":", 2) for line in process.read_text().splitlines()]
    except OSError:
        return
    for _, names, own in (line for line in lines if len(line) == 3):
        if controller in names.split(","):
            root = cgroups / names if controller else cgroups
            group = root / own.strip("/")
            yield from (folder for folder in (group, *group.parents) if folder == root or root in folder.parents)


def _value(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:  # the root of the machine has no limits
        return None
