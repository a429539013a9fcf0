"""Sixteen uploads at once, films among them. By `make faults`: each is answered, a bounded number is looked into at a
time, and the rest of the API answers meanwhile."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Final

import httpx
import psutil
import pytest

from services.gateway.api.auth.tokens import LocalTokens
from services.gateway.api.media_inspection import AT_ONCE
from shared.core.clock import SystemClock
from tests.conftest import FreshDatabase
from tests.support import films
from tests.support.gateway_http import SECRET
from tests.support.gateway_process import process
from tests.support.http_client import photograph

UPLOADS: Final = 16
MEMORY: Final = 1 << 30  # of the gateway and all its children together
ANSWERS_S: Final = 20.0  # for anything else, on a machine that is busy besides; the uploads take minutes there


class Peak:
    """The most children of the sandbox, and the most memory, that were seen at once."""

    def __init__(self, gateway: psutil.Process) -> None:
        self._gateway = gateway
        self.jobs = 0
        self.memory = 0

    def watch(self, over: threading.Event) -> None:
        """In a thread of its own: looking at a process takes time."""
        while not over.wait(0.05):
            family = [self._gateway, *self._gateway.children(recursive=True)]
            sizes = [_memory(p) for p in family]
            warm = [p for p in _children(self._gateway) if _runs(p, "shared.sandbox.server")]
            self.jobs = max(self.jobs, sum(len(_children(p)) for p in warm))
            self.memory = max(self.memory, sum(sizes))


@pytest.mark.timeout(600)
async def test_many_uploads_at_once_are_each_answered_and_looked_into_a_few_at_a_time(
    fresh_database: FreshDatabase, tmp_path: Path
) -> None:
    film = films.video(tmp_path / "film.mp4", hue=30, seconds=20, size="640x360")
    bodies = [film.read_bytes() if n % 2 else photograph() for n in range(UPLOADS)]
    bodies[4] = b"\xff\xd8\xff" + bytes(50_000)  # begins like a photograph
    tokens = LocalTokens(SECRET, issuer="retake", audience="retake", clock=SystemClock())
    headers = {"Authorization": f"Bearer {tokens.issue('ana', 'Ana', timedelta(hours=1))}"}
    async with process(await fresh_database("gateway"), tmp_path) as (gateway, port):
        base = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=f"{base}/api/v1", headers=headers, timeout=300) as api:
            project = (await api.post("/projects", json={"name": "P"})).raise_for_status().json()["id"]
            peak = Peak(psutil.Process(gateway.pid))
            over = threading.Event()
            watching = asyncio.create_task(asyncio.to_thread(peak.watch, over))
            uploads = [
                asyncio.create_task(api.post(f"/projects/{project}/uploads?filename={n}", content=body))
                for n, body in enumerate(bodies)
            ]
            slowest = 0.0
            while not all(upload.done() for upload in uploads):
                began = time.monotonic()
                assert (await api.get("/projects")).status_code == 200
                assert (await api.get(f"{base}/health/live")).status_code == 200
                slowest = max(slowest, time.monotonic() - began)
                await asyncio.sleep(0.1)
            over.set()
            await watching
            answers = [upload.result() for upload in uploads]
    codes = [answer.status_code for answer in answers]
    assert codes == [422 if n == 4 else 201 for n in range(UPLOADS)], [a.text[:200] for a in answers]
    assert 0 < peak.jobs <= AT_ONCE
    assert peak.memory < MEMORY
    assert slowest < ANSWERS_S
    left = [p.name for p in tmp_path.rglob("*") if p.is_file() and p.name.startswith("writing-")]
    assert left == []


_GONE: Final = (psutil.NoSuchProcess, psutil.ZombieProcess)


def _runs(process: psutil.Process, module: str) -> bool:
    with suppress(*_GONE):
        return module in process.cmdline()
    return False


def _children(process: psutil.Process) -> list[psutil.Process]:
    with suppress(*_GONE):
        return list(process.children())
    return []


def _memory(process: psutil.Process) -> int:
    """Its own: what a fork shares with its parent counts once."""
    with suppress(*_GONE):
        return int(process.memory_full_info().uss)
    return 0
