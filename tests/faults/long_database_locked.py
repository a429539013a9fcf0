"""A lock in the gateway's database that nobody releases. By `make faults`: a request waits for it as long as it may."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Final

import asyncpg
import httpx

from services.gateway.api.auth.tokens import LocalTokens
from shared.core.clock import SystemClock
from shared.postgres.pool import ACQUIRE_TIMEOUT_S, COMMAND_TIMEOUT_S
from tests.conftest import FreshDatabase
from tests.support.gateway_http import SECRET
from tests.support.gateway_process import process

BOUND_S: Final = COMMAND_TIMEOUT_S + ACQUIRE_TIMEOUT_S + 5  # and what a loaded machine adds
CALLERS: Final = 30  # more than the pool has connections


async def test_who_waits_for_a_lock_is_told_when_to_come_back_and_others_are_served(
    fresh_database: FreshDatabase, tmp_path: Path
) -> None:
    database = await fresh_database("gateway")
    tokens = LocalTokens(SECRET, issuer="retake", audience="retake", clock=SystemClock())
    async with process(database, tmp_path) as (_, port):
        base = f"http://127.0.0.1:{port}"
        headers = {"Authorization": f"Bearer {tokens.issue('ana', 'Ana', timedelta(hours=1))}"}
        async with httpx.AsyncClient(base_url=f"{base}/api/v1", headers=headers, timeout=BOUND_S) as api:
            made = (await api.post("/projects", json={"name": "A film"})).raise_for_status().json()["id"]
            holder = await asyncpg.connect(database)
            try:
                await holder.execute("begin; lock table episodes in access exclusive mode")
                path = f"/projects/{made}/episodes"
                keys = [{"Idempotency-Key": f"k{n}"} for n in range(CALLERS)]
                waiting = [api.post(path, json={"title": f"E{n}"}, headers=key) for n, key in enumerate(keys)]
                told, alive = await asyncio.gather(asyncio.gather(*waiting), _alive(base))
                assert {answer.status_code for answer in told} == {503}, [a.text for a in told]
                assert all(answer.json()["type"] == "/problems/unavailable" for answer in told)
                assert all(int(answer.headers["retry-after"]) >= 1 for answer in told)
                assert alive
            finally:
                await holder.close()
            again = await api.post(path, json={"title": "E0"}, headers={"Idempotency-Key": "k0"})
            assert (again.status_code, "idempotency-replayed" in again.headers) == (201, False), again.text
            assert len((await api.get(path)).json()["data"]) == 1, "none of the refused ones had an effect"


async def _alive(base: str) -> bool:
    """The process answers all the while."""
    async with httpx.AsyncClient(timeout=5) as http:
        for _ in range(int(COMMAND_TIMEOUT_S)):
            if (await http.get(f"{base}/health/live")).status_code != 200:
                return False
            await asyncio.sleep(1)
    return True
