"""Processor time and memory of processes, from /proc; NaN on systems without it."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def with_children(pids: Iterable[int]) -> set[int]:
    """These processes and all of their descendants."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
    found = set(pids)
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def cpu_s(pids: Iterable[int]) -> float:
    """Their processor time in seconds, in user and kernel mode. Processes that have ended count as 0."""
    if not Path("/proc/self/stat").exists():
        return math.nan
    return sum(map(_cpu_s, pids))


def resident_bytes(pids: Iterable[int]) -> float:
    """Their resident memory; shared pages count once for each process."""
    if not Path("/proc/self/statm").exists():
        return math.nan
    return sum(_pages(pid) for pid in pids) * os.sysconf("SC_PAGE_SIZE")


def _cpu_s(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _pages(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0
