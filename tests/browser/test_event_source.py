"""A page's own EventSource over the session cookie: it opens, receives, and goes on after a restart without a gap."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import asyncpg
import httpx
from playwright.async_api import Browser, Page

from tests.conftest import FreshDatabase
from tests.support.gateway_process import process

OPEN = """
    async ([token, project]) => {
        const answer = await fetch('/api/v1/auth/session',
                                   {method: 'POST', headers: {Authorization: `Bearer ${token}`}})
        window.seen = []
        window.errors = 0
        const source = new EventSource(`/api/v1/projects/${project}/events`)
        for (const name of ['snapshot', 'reset', 'progress'])
            source.addEventListener(name, e => window.seen.push([name, e.lastEventId, JSON.parse(e.data).n]))
        source.onerror = () => { window.errors++ }
        return answer.status
    }
"""
LOG = "insert into event_log (project_id, name, data) values ($1, 'progress', $2)"


async def seen(page: Page, count: int) -> list[Any]:
    await page.wait_for_function("count => window.seen.length >= count", arg=count, timeout=60_000)
    return list(await page.evaluate("window.seen"))


async def test_a_page_misses_nothing_when_the_gateway_is_replaced(
    browser: Browser, fresh_database: FreshDatabase, tmp_path: Path
) -> None:
    database = await fresh_database("gateway")
    page = await browser.new_page()
    connection = await asyncpg.connect(database)

    async def happens(n: int) -> None:
        await connection.execute(LOG, project, f'{{"n":{n}}}')

    try:
        async with process(database, tmp_path) as (child, port):
            project = str(await connection.fetchval("select project_id from members"))
            async with httpx.AsyncClient(base_url=f"http://localhost:{port}/api/v1") as api:
                token = (await api.post("/auth/token")).json()["access_token"]
            await page.goto(f"http://localhost:{port}/docs")
            assert await page.evaluate(OPEN, [token, project]) == 204
            await seen(page, 1)
            await happens(1)
            await seen(page, 2)
            child.send_signal(signal.SIGTERM)
            await child.wait()
        await happens(2)  # nobody is there to send it
        await page.wait_for_function("window.errors > 0", timeout=60_000)
        async with process(database, tmp_path, port):
            await seen(page, 3)
            await happens(3)
            events = await seen(page, 4)
    finally:
        await connection.close()
        await page.close()
    assert [(name, n) for name, _, n in events] == [("snapshot", None), *(("progress", n) for n in (1, 2, 3))]
    places = [int(place.rpartition(":")[2]) for _, place, _ in events]
    assert places == sorted(places)
