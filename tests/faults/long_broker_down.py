"""The broker is away for minutes while commands arrive. By `make faults`; RETAKE_DOWN_S: for how long."""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta
from pathlib import Path
from typing import Final

import asyncpg
import httpx
import pytest

from services.gateway.api.auth.tokens import LocalTokens
from shared.core.clock import SystemClock
from tests.conftest import FreshDatabase
from tests.support.brokers import ApacheBroker, ApacheKafkaBroker
from tests.support.gateway_http import SECRET
from tests.support.gateway_process import process
from tests.support.messaging import everything_on, header
from tests.support.waiting import eventually

DOWN_S: Final = float(os.environ.get("RETAKE_DOWN_S", "60"))
EVERY_S: Final = 1.0


@pytest.mark.timeout(DOWN_S + 600)
async def test_commands_are_taken_while_the_broker_is_away_and_go_out_in_order(
    apache_kafka: ApacheKafkaBroker, fresh_database: FreshDatabase, tmp_path: Path
) -> None:
    if not isinstance(apache_kafka, ApacheBroker):
        pytest.skip("apache-kafka: a container's data cannot be kept while it is away")
    database = await fresh_database("gateway")
    tokens = LocalTokens(SECRET, issuer="retake", audience="retake", clock=SystemClock())
    headers = {"Authorization": f"Bearer {tokens.issue('ana', 'Ana', timedelta(hours=1))}"}
    async with process(database, tmp_path, kafka=apache_kafka.bootstrap) as (_, port):
        base = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=f"{base}/api/v1", headers=headers, timeout=30) as api:
            project = (await api.post("/projects", json={"name": "A film"})).raise_for_status().json()["id"]
            made = [await _episode(api, project, 0)]
            await apache_kafka.kill()
            try:
                for number in range(1, int(DOWN_S / EVERY_S) + 1):
                    made.append(await _episode(api, project, number))
                    await asyncio.sleep(EVERY_S)
                ready = await api.get(f"{base}/health/ready")
                assert ready.status_code == 200, "commands are taken, so the gateway stays in the rotation"
                assert ready.json()["checks"]["relay"] != "ok", ready.text
            finally:
                await apache_kafka.start()
            connection = await asyncpg.connect(database)
            try:
                await eventually(lambda: _drained(connection), within=240, every=0.2, what="an empty outbox")
                rows = await connection.fetch("select event_id from outbox where topic = 'episode-changed'")
            finally:
                await connection.close()
    records = await everything_on(apache_kafka, "episode-changed")
    assert sorted(str(header(r, "ce_id")) for r in records) == sorted(str(row["event_id"]) for row in rows)
    assert {(r.key or b"").decode() for r in records} == set(made)


async def _episode(api: httpx.AsyncClient, project: str, number: int) -> str:
    body = {"title": f"E{number}", "segments": [{"scene_info": {"description": "A harbour"}}]}
    answer = await api.post(f"/projects/{project}/episodes", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def _drained(connection: asyncpg.Connection) -> bool:
    return not await connection.fetchval("select count(*) from outbox where published_at is null")
