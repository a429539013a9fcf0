"""Child processes do not outlive the process that started them."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shared.core.processes import child, read_tail, stop

ROOT = Path(__file__).parents[3]

# A child that ignores SIGTERM and has a child of its own; both write their ids.
_LOOP = 'trap "" TERM; echo $$; while :; do sleep 0.05; done'
_STUBBORN = f"trap '' TERM; sh -c '{_LOOP}' & {_LOOP}"


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        if Path("/proc/self").exists():
            return False
        return subprocess.run(["kill", "-0", str(pid)], check=False, capture_output=True).returncode == 0
    return state != "Z"


def _all_ended(pids: list[int], within_s: float = 30) -> bool:
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        if not any(_alive(pid) for pid in pids):
            return True
        time.sleep(0.02)
    return False


async def test_a_cancelled_block_stops_a_group_that_ignores_sigterm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.core.processes.STOP_GRACE_S", 0.2)
    pids: list[int] = []

    async def run() -> None:
        async with child(["/bin/sh", "-c", _STUBBORN], stdout=asyncio.subprocess.PIPE) as process:
            assert process.stdout is not None
            pids.extend([int(await process.stdout.readline()) for _ in range(2)])
            await asyncio.sleep(60)

    work = asyncio.ensure_future(run())
    while len(pids) < 2:
        await asyncio.sleep(0.01)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(work, 60)
    assert _all_ended(pids)


def test_the_children_of_a_killed_parent_are_killed(tmp_path: Path) -> None:
    """kill -9 of the parent: nobody is left to clean up, and still nothing runs on."""
    program = f"""
import asyncio, sys
sys.path.insert(0, {str(ROOT)!r})
from shared.core.processes import child
async def main():
    async with child(["/bin/sh", "-c", {_STUBBORN!r}], stdout=asyncio.subprocess.PIPE) as process:
        for _ in range(2):
            print((await process.stdout.readline()).decode().strip(), flush=True)
        await asyncio.sleep(60)
asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pids = [int(parent.stdout.readline()) for _ in range(2)]
        assert all(_alive(pid) for pid in pids)
        os.kill(parent.pid, signal.SIGKILL)
    assert _all_ended(pids)


async def test_a_child_that_exits_keeps_its_exit_code_and_output() -> None:
    async with child(["/bin/sh", "-c", "echo first >&2; echo last >&2; exit 7"]) as process:
        assert await read_tail(process.stderr) == "first\nlast\n"
        assert await process.wait() == 7
    await stop(process)  # nothing to do, and says so by returning


async def test_a_missing_program_is_an_error_without_a_leak() -> None:
    with pytest.raises(FileNotFoundError):
        async with child(["/no/such/program"]):
            pytest.fail("there is nothing to run")


async def test_endless_output_does_not_fill_memory() -> None:
    async with child(["/bin/sh", "-c", "yes word | head -c 3000000 >&2; echo end >&2"]) as process:
        tail = await read_tail(process.stderr, limit=1000)
    assert len(tail) == 1000
    assert tail.endswith("end\n")
