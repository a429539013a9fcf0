"""The listener: hears notifications, and reconnects with growing, jittered delays."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from shared.postgres.listener import FIRST_DELAY_S, LONGEST_DELAY_S, Listener
from shared.postgres.pool import open_pool
from tests.support.waiting import eventually


async def test_it_hears_notifications_and_signals_every_reconnection(
    fresh_database: Callable[[str], Awaitable[str]],
) -> None:
    url = await fresh_database("generator")
    heard: list[tuple[str, str]] = []
    async with (
        open_pool(url) as pool,
        Listener(url, lambda channel, payload: heard.append((channel, payload)), "films"),
    ):
        await eventually(lambda: heard == [("films", "")])
        await pool.execute("select pg_notify('films', 'one')")
        await eventually(lambda: heard[1:] == [("films", "one")])
        await pool.execute("select pg_terminate_backend(pid) from pg_stat_activity where query ilike 'listen%'")
        await eventually(lambda: heard[2:] == [("films", "")])


async def test_delays_between_attempts_grow_with_jitter() -> None:
    delays: list[float] = []

    async def sleep(seconds: float) -> None:
        delays.append(seconds)
        await asyncio.sleep(0)

    async with Listener("postgresql://nobody@127.0.0.1:9/none", lambda *_: None, "films", sleep=sleep):
        await eventually(lambda: len(delays) >= 12)
    for number, delay in enumerate(delays):
        expected = min(FIRST_DELAY_S * 2**number, LONGEST_DELAY_S)
        assert expected / 2 <= delay <= expected
    assert len(set(delays[8:])) > 1, "clients that failed together do not return together"
