"""LISTEN on a connection of its own that survives restarts of PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

import asyncpg
import structlog

from shared.postgres.pool import ACQUIRE_TIMEOUT_S
from shared.postgres.retry import UNAVAILABLE

log = structlog.get_logger(__name__)


class Listener:
    """LISTENs on a direct connection and reconnects for ever.

    `on_notify(channel, payload)` runs in the event loop; after every (re)connect it is called once per channel
    with an empty payload, because whatever was notified in between was missed.
    """

    def __init__(self, url: str, on_notify: Callable[[str, str], None], *channels: str) -> None:
        self._url = url
        self._on_notify = on_notify
        self._channels = channels
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Listener:
        self._task = asyncio.create_task(self._run(), name="postgres-listener")
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        delay = 0.1
        while True:
            try:
                connection = await asyncpg.connect(self._url, timeout=ACQUIRE_TIMEOUT_S)
            except (*UNAVAILABLE, asyncpg.PostgresError) as e:
                log.warning("listener.connect_failed", error=str(e), retry_in_s=delay)
                await asyncio.sleep(delay)
                delay = min(delay * 2, 5.0)
                continue
            delay = 0.1
            with suppress(*UNAVAILABLE, asyncpg.PostgresError):
                await self._listen_until_closed(connection)

    async def _listen_until_closed(self, connection: asyncpg.Connection) -> None:
        closed = asyncio.Event()
        connection.add_termination_listener(lambda *_: closed.set())
        try:
            for channel in self._channels:
                await connection.add_listener(channel, lambda _c, _pid, ch, payload: self._on_notify(ch, payload))
                self._on_notify(channel, "")
            await closed.wait()
        finally:
            if not connection.is_closed():
                connection.terminate()
