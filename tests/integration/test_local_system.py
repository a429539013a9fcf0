"""`up` with the real PostgreSQL, broker and supervisor, and small stand-ins for the services: everything that can end
is ended, and comes back; nothing is left over; errors say what to do."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest

from deploy.local.commands import status
from deploy.local.commands.down import stop
from deploy.local.commands.reset import delete
from deploy.local.parts.postgres import EmbeddedPostgres
from deploy.local.supervisor.background import start_in_background
from deploy.local.supervisor.data_dir import DataDir
from deploy.local.supervisor.options import Options
from deploy.local.supervisor.process_id import ProcessId
from deploy.local.supervisor.report import Lines
from deploy.local.supervisor.state import is_locked
from tests.support.waiting import eventually
from tests.unit.local.stub_system import STUB, NotStarted, Running

FORKED = {"STUB_FORKED": "1"}  # services by the fork server, as on Linux `up` does; else spawned, which is faster here
SERVICES = ("gateway", "generator", "review", "compiler")


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    directory = tmp_path / "data"
    yield directory
    stop(DataDir.of(directory))


def processes_of(data: Path) -> list[int]:
    """Every process of this data directory, found without the code under test."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                traces = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
                traces += os.readlink(entry / "cwd").encode()
                alive = (entry / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
            except OSError:
                continue
            if str(data).encode() in traces and alive:
                found.append(int(entry.name))
    return found


async def rows(url: str, statement: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetch(statement)  # type: ignore[no-any-return]
    finally:
        await connection.close()


async def test_up_then_down_then_up(data: Path) -> None:
    with Running(data) as system:
        assert set(system.summary) == {"gateway", "token", "kafka", "data"}
        assert system.summary["data"] == str(data)
        with urllib.request.urlopen(system.summary["gateway"] + "/health/ready", timeout=5) as answer:
            assert answer.status == 200
        for private in (data / "secrets.json", data / "token"):
            assert stat.S_IMODE(private.stat().st_mode) == 0o600
        assert (data / "token").read_text().strip() == system.summary["token"]
        url = system.environment("review")["DATABASE_URL"]
        await rows(url, "create table kept (word text)")
        await rows(url, "insert into kept values ('here')")
        ours = processes_of(data)
        assert len(ours) > len(SERVICES)
    assert processes_of(data) == []
    assert not (data / "run" / "state.json").exists()
    with Running(data) as system:
        assert (await rows(system.environment("review")["DATABASE_URL"], "select word from kept"))[0]["word"] == "here"


async def test_a_role_cannot_reach_another_services_database(data: Path) -> None:
    with Running(data) as system:
        urls = {s: system.environment(s)["DATABASE_URL"] for s in SERVICES}
        for mine in SERVICES:
            assert (await rows(urls[mine], "select current_user as me"))[0]["me"] == f"retake_{mine}"
            for other in [s for s in SERVICES if s != mine]:
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await rows(urls[mine].replace(f"/retake_{mine}?", f"/retake_{other}?"), "select 1")


async def test_every_part_that_is_killed_comes_back(data: Path) -> None:
    with Running(data, env=FORKED) as system:
        before = system.parts()

        os.kill(before["review"].process.pid, signal.SIGKILL)
        await eventually(lambda: system.parts()["review"].starts == 2 and system.ready(), within=60)
        assert system.parts()["review"].address == before["review"].address
        assert system.parts()["gateway"].process == before["gateway"].process

        os.kill(before["postgres"].process.pid, signal.SIGKILL)
        await eventually(lambda: system.parts()["postgres"].starts == 2 and system.ready(), within=60)
        assert system.parts()["postgres"].address == before["postgres"].address, "services need not be restarted"
        assert system.parts()["gateway"].process == before["gateway"].process
        assert await rows(system.environment("review")["DATABASE_URL"], "select 1")

        os.kill(before["broker"].process.pid, signal.SIGKILL)
        await eventually(lambda: system.parts()["gateway"].starts == 2 and system.ready(), within=60)
        address = system.parts()["broker"].address
        assert address != before["broker"].address, "the embedded broker cannot keep its port"
        assert {system.environment(s)["KAFKA_BOOTSTRAP"] for s in SERVICES} == {address}
        assert system.parts()["gateway"].address == before["gateway"].address


@pytest.mark.skipif(sys.platform != "linux", reason="there is no fork server")
async def test_the_services_of_a_killed_fork_server_come_back(data: Path) -> None:
    with Running(data, env=FORKED) as system:
        before = system.parts()
        os.kill(before["launcher"].process.pid, signal.SIGKILL)
        await eventually(lambda: not any(before[s].process.alive for s in SERVICES))
        await eventually(lambda: system.ready() and system.parts()["launcher"].starts == 2, within=60)
        assert {s: system.parts()[s].address for s in SERVICES} == {s: before[s].address for s in SERVICES}


async def test_nobody_is_refused_while_the_gateway_is_started_again(data: Path) -> None:
    with Running(data) as system, ThreadPoolExecutor(1) as pool:
        old = system.parts()["gateway"].process
        os.kill(old.pid, signal.SIGKILL)
        await eventually(lambda: not old.alive)
        pending = pool.submit(urllib.request.urlopen, system.summary["gateway"] + "/", timeout=60)
        assert pending.result().status == 200


async def test_a_killed_supervisor_takes_everything_with_it_and_the_next_up_works(data: Path) -> None:
    with Running(data, env=FORKED) as system:
        url = system.environment("review")["DATABASE_URL"]
        await rows(url, "create table kept (word text)")
        assert len(processes_of(data)) > len(SERVICES)
        system.kill()
        if sys.platform == "linux":
            await eventually(lambda: processes_of(data) == [], within=60)
        assert not is_locked(DataDir.of(data))
    with Running(data) as system:
        await rows(system.environment("review")["DATABASE_URL"], "select * from kept")


async def test_everything_killed_at_once_and_the_next_up_works(data: Path) -> None:
    with Running(data) as system:
        pids = [p.process.pid for p in system.parts().values()]
        for pid in [system.process.pid, *pids]:
            with suppress(ProcessLookupError):  # the kernel was faster
                os.kill(pid, signal.SIGKILL)
    with Running(data) as system:
        assert system.ready()


def test_a_killed_server_that_has_not_been_reaped_is_waited_for(tmp_path: Path) -> None:
    """PostgreSQL would take it for a running server and refuse to start."""
    dead = subprocess.Popen(["true"])
    while ProcessId.of(dead.pid):
        time.sleep(0.01)  # it ends, and keeps its number
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "postmaster.pid").write_text(f"{dead.pid}\n{tmp_path}/postgres\n1\n5432\n")
    server = EmbeddedPostgres(DataDir(tmp_path), "secret")
    clearing = threading.Thread(target=server.clear_stale)
    clearing.start()
    clearing.join(0.3)
    assert clearing.is_alive()
    dead.wait()
    clearing.join(5)
    assert not clearing.is_alive()


async def test_what_an_earlier_supervisor_left_is_ended_first(data: Path) -> None:
    """As on systems whose kernel does not end the children of a killed process."""
    with Running(data):
        pass
    stray = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    identity = ProcessId.of(stray.pid)
    assert identity
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    try:
        process = {"pid": identity.pid, "started": identity.started}
        reused = {"pid": other.pid, "started": "another boot: 1"}
        part = {"state": "ready", "address": None, "starts": 1, "ready_s": 1, "since": 1, "detail": ""}
        state = {
            "supervisor": {"pid": 1, "started": "x"}, "gateway": None, "kafka": None, "data": str(data),
            "parts": [part | {"name": "review", "process": process}, part | {"name": "compiler", "process": reused}],
        }  # fmt: skip
        (data / "run" / "state.json").write_text(json.dumps(state))
        # A number in PostgreSQL's pid file that now belongs to another program would make it refuse to start.
        (data / "postgres" / "postmaster.pid").write_text(
            f"{other.pid}\n{data}/postgres\n1\n5432\n\n127.0.0.1\n\nready\n"
        )
        with Running(data):
            assert stray.wait(timeout=5) != 0
            assert other.poll() is None, "the number was given to another process, which is none of ours"
    finally:
        stray.kill()
        other.kill()
        stray.wait()
        other.wait()


def test_two_systems_side_by_side_but_not_on_one_directory(data: Path, tmp_path: Path) -> None:
    with Running(data) as one, Running(tmp_path / "other") as two:
        assert one.summary["gateway"] != two.summary["gateway"]
        assert one.summary["kafka"] != two.summary["kafka"]
        with pytest.raises(NotStarted) as refused, Running(data):
            pass
        assert "already_running" in str(refused.value)
        assert one.summary["gateway"] in str(refused.value)
        assert one.ready()


def test_a_taken_port_is_named(data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(NotStarted, match=f"port_taken: Port {port} on 127.0.0.1 is taken"),
            Running(data, port=port),
        ):
            pass
    with Running(data, port=port) as system:
        assert system.summary["gateway"] == f"http://127.0.0.1:{port}"


def test_a_service_that_does_not_start_ends_up_with_its_last_words(data: Path) -> None:
    began = time.monotonic()
    with pytest.raises(NotStarted) as failed, Running(data, env={"STUB_REVIEW_FAILS": "1"}):
        pass
    assert "review ended with exit code 1" in str(failed.value)
    assert "this stand-in was configured to fail" in str(failed.value)
    assert processes_of(data) == []
    assert time.monotonic() - began < 60


def test_detached_it_outlives_its_starter_and_down_ends_it(data: Path) -> None:
    lines: list[str] = []
    start_in_background(Options(data=str(data)), Lines(lines.append), (sys.executable, STUB, "background"))
    directory = DataDir.of(data)
    assert status.read(directory).ready
    assert any(line.startswith("gateway ") for line in lines)
    assert [p for p in ("postgres", "broker", *SERVICES) if not any(line.startswith(p) for line in lines)] == []
    assert stop(directory)
    assert processes_of(data) == []
    assert not stop(directory), "nothing was left to stop"


def test_down_while_it_starts(data: Path) -> None:
    system = Running(data)
    process = subprocess.Popen(system._argv, env=system._env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    state = data / "run" / "state.json"
    deadline = time.monotonic() + 60
    while not state.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    stop(DataDir.of(data))
    out, _ = process.communicate(timeout=60)
    assert out == b""
    assert processes_of(data) == []


def test_reset_deletes_what_it_knows_and_nothing_else(data: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(Exception, match="not a Retake data directory"):
        delete(DataDir.of(tmp_path / "mine"))
    with Running(data):
        delete(DataDir.of(data))
    assert not data.exists()
    assert (tmp_path / "mine").exists()
