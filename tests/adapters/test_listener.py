"""The listener: hears notifications, and reconnects with growing, jittered delays."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit, urlunsplit

import pytest

from shared.postgres import listener as listener_module
from shared.postgres.listener import FIRST_DELAY_S, LONGEST_DELAY_S, Listener
from shared.postgres.pool import open_pool
from tests.conftest import FreshDatabase
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


async def test_a_server_that_stops_answering_is_noticed(
    fresh_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection stays open, as that of a machine that vanished does: only the heartbeat tells."""
    monkeypatch.setattr(listener_module, "HEARTBEAT_S", 0.2)
    monkeypatch.setattr(listener_module, "HEARTBEAT_TIMEOUT_S", 0.5)
    url = await fresh_database("review")
    parts = urlsplit(url)
    gate = asyncio.Event()
    gate.set()
    calls: list[tuple[str, str]] = []

    async def relay_bytes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, mute: asyncio.Event) -> None:
        while data := await reader.read(65536):
            if mute.is_set():
                writer.write(data)
                await writer.drain()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        mine, there = gate, await asyncio.open_connection(parts.hostname, parts.port)
        both = [relay_bytes(reader, there[1], mine), relay_bytes(there[0], writer, mine)]
        await asyncio.gather(*both, return_exceptions=True)
        for end in (writer, there[1]):
            end.close()

    async with await asyncio.start_server(connected, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        through = urlunsplit(parts._replace(netloc=parts.netloc.replace(f":{parts.port}", f":{port}")))
        async with Listener(through, lambda channel, payload: calls.append((channel, payload)), "news"):
            await eventually(lambda: len(calls) == 1, what="the first connection")
            first, gate = gate, asyncio.Event()
            gate.set()
            first.clear()  # of this connection nothing passes any more; a new one works
            await eventually(lambda: len(calls) == 2, what="the second connection", within=10)
