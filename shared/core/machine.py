"""How much of the machine this process may use: within a container less than the machine has, by its control group
(cgroup v2). Where there is none, or version 1, the machine decides."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

CGROUPS: Final = Path("/sys/fs/cgroup")
PROCESS: Final = Path("/proc/self/cgroup")


def processors(cgroups: Path = CGROUPS, process: Path = PROCESS) -> int:
    """At least 1: the processors that we may run on, and no more than the quota of `cpu.max` (`QUOTA PERIOD` in µs)."""
    ours = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for line in _settings("cpu.max", cgroups, process):
        quota, _, period = line.partition(" ")
        if quota != "max":
            ours = min(ours, max(1, math.ceil(int(quota) / int(period or 100_000))))
    return ours


def memory_limit(cgroups: Path = CGROUPS, process: Path = PROCESS) -> int | None:
    """Bytes after which the kernel kills us, or None."""
    limits = [int(line) for line in _settings("memory.max", cgroups, process) if line != "max"]
    return min(limits, default=None)


def _settings(name: str, cgroups: Path, process: Path) -> Iterator[str]:
    """The value in our group and in each above it: all of them bind. A container sees its own group as the root."""
    try:
        own = next(line[3:] for line in process.read_text().splitlines() if line.startswith("0::"))
    except (OSError, StopIteration):
        return
    group = cgroups / own.strip("/")
    for folder in [group, *group.parents]:
        if folder != cgroups and cgroups not in folder.parents:
            return
        try:
            yield (folder / name).read_text().strip()
        except OSError:  # the root of the machine has no limits
            continue
