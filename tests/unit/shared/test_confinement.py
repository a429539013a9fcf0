"""A job on untrusted bytes that was taken over harms nothing but itself, as far as the kernel enforces it."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from structlog.testing import capture_logs

from shared.core import isolation
from shared.core.confinement import Files, InForce, supported
from shared.core.errors import Permanent, RetakeError, Retryable
from shared.core.processes import ResourceLimits
from shared.media.c2pa import Claim
from shared.media.signing import sign_safely
from shared.media.signing_identity import identity_from
from shared.sandbox import jobs as sandbox_jobs
from shared.sandbox.channel import Job
from shared.sandbox.jobs import run_job
from tests.support import films
from tests.support.waiting import eventually

HOSTILE = "tests.support.hostile_job"
LIMITS = ResourceLimits(memory=2 << 30, cpu_s=30, file_size=1 << 20)


async def attempt(what: str, limits: ResourceLimits = LIMITS, files: Files | None = None, **job: Any) -> Job:
    order = {"try": what, **job}
    return await run_job(HOSTILE, order, timeout_s=60, limits=limits, files=files or Files())


@pytest.fixture
def seccomp() -> None:
    if not supported().seccomp:
        pytest.skip("this kernel or container takes no seccomp filters")


@pytest.fixture
def landlock() -> None:
    if not supported().landlock:
        pytest.skip("this kernel or container has no Landlock")


@pytest.fixture
def victim() -> Iterator[subprocess.Popen[bytes]]:
    """Another process of ours, with a secret."""
    with subprocess.Popen(["sleep", "60"], env={"GENERATOR_REPLICATE_TOKEN": "r8_hidden"}) as other:
        yield other
        other.kill()


async def test_memory_time_and_disk_are_limited(tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="MemoryError"):
        await attempt("memory")
    with pytest.raises(Retryable, match=f"signal {int(signal.SIGXCPU)}"):
        await attempt("time", ResourceLimits(memory=2 << 30, cpu_s=1, file_size=0))
    assert await attempt("disk", files=Files(write=(tmp_path,)), path=str(tmp_path / "x")) == {"refused": errno.EFBIG}
    assert (tmp_path / "x").stat().st_size <= 1 << 20


async def test_a_crash_or_a_silent_end_is_told_and_the_next_job_runs(tmp_path: Path) -> None:
    with pytest.raises(Retryable, match=f"signal {int(signal.SIGSEGV)}"):
        await attempt("crash")
    with pytest.raises(Permanent) as failure:
        await attempt("exit")
    assert failure.value.code == "worker_failed"
    (tmp_path / "x").write_text("read")
    assert await attempt("read", files=Files(read=(tmp_path / "x",)), path=str(tmp_path / "x")) == {"done": "read"}


async def test_a_job_that_is_cancelled_or_late_has_ended(tmp_path: Path) -> None:
    def jobs() -> list[psutil.Process]:
        servers = [p for p in psutil.Process().children() if "shared.sandbox.server" in p.cmdline()]
        return [job for server in servers for job in server.children()]

    before = {p.pid for p in jobs()}
    work = asyncio.ensure_future(attempt("time"))
    await eventually(lambda: bool({p.pid for p in jobs()} - before), what="the job")
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert {p.pid for p in jobs()} <= before
    with pytest.raises(Retryable) as late:
        await run_job(HOSTILE, {"try": "time"}, timeout_s=0.5, limits=LIMITS, files=Files())
    assert late.value.code == "worker_timeout"
    assert {p.pid for p in jobs()} <= before


async def test_jobs_go_on_when_the_warm_process_was_killed(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("read")
    for _ in range(2):
        told = await attempt("read", files=Files(read=(tmp_path / "x",)), path=str(tmp_path / "x"))
        assert told == {"done": "read"}
        for process in psutil.Process().children():
            if "shared.sandbox.server" in process.cmdline():
                process.kill()


def warm_processes() -> list[psutil.Process]:
    return [p for p in psutil.Process().children() if "shared.sandbox.server" in p.cmdline()]


async def test_jobs_go_on_when_the_warm_process_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x").write_text("read")
    read = {"files": Files(read=(tmp_path / "x",)), "path": str(tmp_path / "x")}
    assert await attempt("read", **read) == {"done": "read"}
    stopped = warm_processes()
    for process in stopped:
        process.suspend()
    monkeypatch.setattr(sandbox_jobs, "STARTS_S", 0.5)
    try:
        assert await attempt("read", **read) == {"done": "read"}
        assert not [p for p in stopped if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
    finally:
        for process in stopped:
            with suppress(psutil.NoSuchProcess):
                process.resume()


async def test_a_job_ends_in_time_though_its_warm_process_is_stopped_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox_jobs, "ENDS_S", 0.5)
    work = asyncio.ensure_future(attempt("time"))
    await eventually(lambda: any(p.children() for p in warm_processes()), what="the job")
    stopped = warm_processes()
    found = [job for process in stopped for job in process.children()]
    for process in stopped:
        process.suspend()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(work, 30)
    await eventually(lambda: not any(job.is_running() for job in found), what="the end of the job")
    (tmp_path / "x").write_text("read")
    told = await attempt("read", files=Files(read=(tmp_path / "x",)), path=str(tmp_path / "x"))
    assert told == {"done": "read"}


def test_a_killed_service_leaves_no_job(tmp_path: Path) -> None:
    program = """
import asyncio
from tests.unit.shared.test_confinement import attempt
async def main():
    work = asyncio.ensure_future(attempt("time"))
    await asyncio.sleep(0.1)
    print("runs", flush=True)
    await work
asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as service:
        assert service.stdout is not None
        assert service.stdout.readline()
        until = time.monotonic() + 30
        found: list[psutil.Process] = []
        while len(found) < 2 and time.monotonic() < until:
            found = psutil.Process(service.pid).children(recursive=True)
            time.sleep(0.02)
        service.kill()
    assert len(found) == 2  # the warm process and the job
    _, left = psutil.wait_procs(found, timeout=30)
    assert not left


async def test_a_job_has_its_own_connection_and_not_the_one_on_which_jobs_are_asked_for() -> None:
    assert await asyncio.gather(*(attempt("sockets") for _ in range(4))) == [{"done": 1}] * 4


@pytest.mark.usefixtures("seccomp")
async def test_no_network_and_no_power_over_other_processes(victim: subprocess.Popen[bytes], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        for what in ("network", "local socket", "kill", "fork", "program", "trace", "mount"):
            told = await attempt(what, port=server.getsockname()[1], pid=victim.pid, path=str(tmp_path))
            assert told == {"refused": errno.EPERM}, what
    assert victim.poll() is None


@pytest.mark.usefixtures("landlock")
async def test_no_other_file_is_read_or_written(victim: subprocess.Popen[bytes], tmp_path: Path) -> None:
    mine, secret, work = tmp_path / "mine", tmp_path / "secret", tmp_path / "work"
    mine.write_text("mine")
    secret.write_text("secret")
    work.mkdir()
    files = Files(read=(mine,), write=(work,))
    for path, what, expected in [
        (mine, "read", {"done": "mine"}), (secret, "read", {"refused": errno.EACCES}),
        (work / "new", "write", {"done": 1}), (mine, "write", {"refused": errno.EACCES}),
        (tmp_path / "new", "write", {"refused": errno.EACCES}),
    ]:  # fmt: skip
        assert await attempt(what, files=files, path=str(path)) == expected, (what, path)
    assert await attempt("environment", pid=victim.pid) == {"refused": errno.EACCES}
    assert mine.read_text() == "mine"


async def test_the_key_signs_once_and_never_leaves_this_process(tmp_path: Path) -> None:
    identity = identity_from(None, None, tmp_path / "signing")
    plain = films.video(tmp_path / "plain.mp4", seconds=0.2, size="64x36")
    await sign_safely(plain, tmp_path / "signed.mp4", Claim("x", "video/mp4", "composite"), identity)
    assert (tmp_path / "signed.mp4").stat().st_size > plain.stat().st_size
    asked: list[Any] = []

    def answer(question: Any) -> Any:
        asked.append(question)
        if len(asked) > 1:
            raise Retryable("signing_failed", "It asked twice.")
        return {"signature": ""}

    with pytest.raises(RetakeError, match="twice"):
        await run_job(
            HOSTILE,
            {"try": "sign twice"},
            timeout_s=30,
            limits=LIMITS,
            files=Files(),
            answer=answer,
        )


def test_what_the_kernel_lacks_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "supported", lambda: InForce(False, 0))
    isolation.enforced.cache_clear()
    try:
        with capture_logs() as logs:
            assert isolation.enforced() == isolation.enforced() == InForce(False, 0)
        assert [entry["event"] for entry in logs] == ["isolation.incomplete"]
    finally:
        isolation.enforced.cache_clear()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody here")
@pytest.mark.usefixtures("seccomp")
def test_it_needs_no_privilege() -> None:
    """As in a container: not root, all capabilities dropped."""
    program = f"""
import os, socket
from shared.core.confinement import Files, InForce, confine
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
confine(Files(), programs=False, in_force=InForce(*{tuple(supported())}))
try:
    socket.socket()
except PermissionError:
    print("refused")
"""
    told = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert told.stdout == "refused\n"
