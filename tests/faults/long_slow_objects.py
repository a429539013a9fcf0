"""The object store is slow, and then answers nothing at all, while its connections stay open. By `make faults`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import asyncpg
import boto3
import httpx
import pytest

from deploy.local.supervisor.preflight import free_port
from services.gateway.api.auth.tokens import LocalTokens
from shared.core.clock import SystemClock
from shared.objects.remote import PATIENCE_S
from tests.conftest import FreshDatabase
from tests.support.gateway_http import SECRET
from tests.support.gateway_process import process
from tests.support.http_client import photograph
from tests.support.s3 import S3Server

BUCKET: Final = "slow-objects"
DELAY_S: Final = 1.5
STALLED_AT_ONCE: Final = 6
SLACK_S: Final = 30.0
ANSWERS_S: Final = 10.0  # for everything else, on a busy machine


class Line:
    """A line to the store. `delay_s` before each piece of an answer; nothing gets through while it is `stalled`."""

    def __init__(self, to: int) -> None:
        self.port = free_port()
        self.delay_s = 0.0
        self._to = to
        self._open = asyncio.Event()
        self._open.set()

    def stall(self, stalled: bool) -> None:
        if stalled:
            self._open.clear()
        else:
            self._open.set()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        try:
            yield
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.CancelledError):
            back, there = await asyncio.open_connection("127.0.0.1", self._to)
            await asyncio.gather(self._pass_on(reader, there, slow=False), self._pass_on(back, writer, slow=True))
        writer.close()

    async def _pass_on(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, slow: bool) -> None:
        try:
            while data := await source.read(65_536):
                await self._open.wait()
                await asyncio.sleep(self.delay_s if slow else 0)
                target.write(data)
                await target.drain()
        finally:
            target.close()


@pytest.mark.timeout(PATIENCE_S * 3 + 300)
async def test_the_rest_of_the_api_answers_while_uploads_wait_for_a_slow_store_and_end(
    s3_server: S3Server, fresh_database: FreshDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = Line(int(urlsplit(s3_server.endpoint).port or 0))
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    await asyncio.to_thread(boto3.client("s3", endpoint_url=s3_server.endpoint).create_bucket, Bucket=BUCKET)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{line.port}")
    database = await fresh_database("gateway")
    tokens = LocalTokens(SECRET, issuer="retake", audience="retake", clock=SystemClock())
    headers = {"Authorization": f"Bearer {tokens.issue('ana', 'Ana', timedelta(hours=1))}"}
    async with line.listening(), process(database, tmp_path, objects_url=f"s3://{BUCKET}") as (_, port):
        base = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=f"{base}/api/v1", headers=headers, timeout=PATIENCE_S * 3) as api:
            project = (await api.post("/projects", json={"name": "P"})).raise_for_status().json()["id"]
            path = f"/projects/{project}/uploads"
            line.delay_s = DELAY_S
            slow = await api.post(path, content=photograph())
            assert slow.status_code == 201, slow.text
            line.delay_s = 0.0

            line.stall(True)
            began = time.monotonic()
            uploads = [asyncio.create_task(api.post(path, content=photograph())) for _ in range(STALLED_AT_ONCE)]
            slowest = 0.0
            while not all(upload.done() for upload in uploads):
                asked = time.monotonic()
                assert (await api.get("/projects")).status_code == 200
                assert (await api.post("/projects", json={"name": "Q"})).status_code == 201
                assert (await api.get(f"{base}/health/live")).status_code == 200
                slowest = max(slowest, time.monotonic() - asked)
                assert await _in_transaction(database) == 0, "no transaction is open while the store is waited for"
                await asyncio.sleep(0.5)
            answers = [upload.result() for upload in uploads]
            assert {answer.status_code for answer in answers} == {503}, [answer.text for answer in answers]
            assert all(int(answer.headers["retry-after"]) > 0 for answer in answers)
            assert time.monotonic() - began < PATIENCE_S + SLACK_S
            assert slowest < ANSWERS_S

            line.stall(False)
            again = await api.post(path, content=photograph())
            assert again.status_code == 201, again.text
            media = await api.get(again.json()["url"].removeprefix("/api/v1"), follow_redirects=True)
            assert media.status_code == 200
    assert [p.name for p in tmp_path.rglob("writing-*")] == []


async def _in_transaction(database: str) -> int:
    """Sessions of the gateway that hold a transaction for more than a moment."""
    connection = await asyncpg.connect(database)
    try:
        return int(
            await connection.fetchval(
                "select count(*) from pg_stat_activity where datname = current_database() "
                "and xact_start < now() - interval '2 s' and pid <> pg_backend_pid() and state <> 'idle'"
            )
        )
    finally:
        await connection.close()
