"""What a container may use, read from control groups as the kernel writes them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from shared.core.machine import memory_limit, processor_quota, processors
from shared.media.ffmpeg import with_threads
from shared.media.graphs import arguments, joined, media_file

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
    cgroups[1].write_text("4:memory:/x\n3:cpu,cpuacct:/x\n")
    assert (memory_limit(*cgroups), processors(*cgroups)) == (None, OURS)
    assert (memory_limit(cgroups[0], tmp_path / "absent"), processors(cgroups[0], tmp_path / "absent")) == (None, OURS)


@pytest.mark.parametrize("seen_as", ["/x/y", "/of/the/machine"])  # a container knows its group by the machine's name
def test_version_1_counts_too(cgroups: tuple[Path, Path], seen_as: str) -> None:
    cgroups[1].write_text(f"4:memory:{seen_as}\n3:cpu,cpuacct:{seen_as}\n0::/\n")
    for folder, name, above, ours in [
        ("cpu,cpuacct", "cpu.cfs_quota_us", "100000", "-1"), ("cpu,cpuacct", "cpu.cfs_period_us", "100000", "100000"),
        ("memory", "memory.limit_in_bytes", "1073741824", "9223372036854771712"),
    ]:  # fmt: skip
        (cgroups[0] / folder / "x/y").mkdir(parents=True, exist_ok=True)
        (cgroups[0] / folder / name).write_text(f"{above}\n")
        (cgroups[0] / folder / "x/y" / name).write_text(f"{ours}\n")
    assert (memory_limit(*cgroups), processors(*cgroups), processor_quota(*cgroups)) == (1 << 30, 1, 1)


def test_ffmpeg_uses_as_many_threads_as_we_may() -> None:
    """It counts the processors of the machine. A file that has its own number keeps it."""
    source = media_file(Path("/w/a.raw"), {"format": "f32le"})
    other = media_file(Path("/w/b.raw"), {"format": "f32le", "threads": 1})
    args = arguments(joined([source, other], "amix").output("/w/c.wav"), source.output("-", format="null"))
    assert with_threads(args, None) == args
    found = with_threads(args, 3)
    assert [found[n + 1] for n, word in enumerate(found) if word == "-threads"] == ["3", "1", "3", "3"]
    assert found[found.index("file:/w/a.raw") - 3 : found.index("file:/w/a.raw")] == ["-threads", "3", "-i"]
    assert found[found.index("/w/c.wav") - 2 : found.index("/w/c.wav")] == ["-threads", "3"]
    assert [word for word in found if word not in ("-threads", "3")][2:] == [w for w in args if w != "-threads"]
