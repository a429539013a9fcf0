"""What a container may use, read from control groups as the kernel writes them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from shared.core.machine import memory_limit, processors

OURS = len(os.sched_getaffinity(0))


@pytest.fixture
def cgroups(tmp_path: Path) -> tuple[Path, Path]:
    """The file system of control groups and our place in it: /pods/ours."""
    (tmp_path / "fs/pods/ours").mkdir(parents=True)
    (tmp_path / "self").write_text("0::/pods/ours\n")
    return tmp_path / "fs", tmp_path / "self"


@pytest.mark.parametrize(
    ("quota", "expected"), [("max 100000", OURS), ("50000 100000", 1), ("100000 100000", 1), ("9900000 100000", OURS)]
)
def test_processors_are_those_of_the_quota(cgroups: tuple[Path, Path], quota: str, expected: int) -> None:
    (cgroups[0] / "pods/ours/cpu.max").write_text(f"{quota}\n")
    assert processors(*cgroups) == expected


def test_the_smallest_limit_of_all_groups_above_counts(cgroups: tuple[Path, Path]) -> None:
    assert memory_limit(*cgroups) is None
    (cgroups[0] / "pods/ours/memory.max").write_text("max\n")
    assert memory_limit(*cgroups) is None
    (cgroups[0] / "pods/memory.max").write_text("4294967296\n")
    assert memory_limit(*cgroups) == 4 << 30
    (cgroups[0] / "pods/ours/memory.max").write_text("1073741824\n")
    assert memory_limit(*cgroups) == 1 << 30


def test_a_container_sees_its_own_group_as_the_root(cgroups: tuple[Path, Path]) -> None:
    cgroups[1].write_text("0::/\n")
    (cgroups[0] / "memory.max").write_text("1073741824\n")
    (cgroups[0] / "cpu.max").write_text("100000 100000\n")
    assert (memory_limit(*cgroups), processors(*cgroups)) == (1 << 30, 1)


def test_without_control_groups_the_machine_decides(cgroups: tuple[Path, Path], tmp_path: Path) -> None:
    cgroups[1].write_text("4:memory:/x\n3:cpu,cpuacct:/x\n")  # version 1
    assert (memory_limit(*cgroups), processors(*cgroups)) == (None, OURS)
    assert (memory_limit(cgroups[0], tmp_path / "absent"), processors(cgroups[0], tmp_path / "absent")) == (None, OURS)
