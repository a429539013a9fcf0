"""A server's connection that does not wait for ever: for the head of a request, or for a client to read the answer."""

from __future__ import annotations

import asyncio
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

HEAD_S: Final = 15.0  # from the first byte (or the connection) to the end of the headers; any line manages that
HEAD_BYTES: Final = 64 * 1024  # twice what browsers and proxies send at most
STALL_S: Final = 120.0
"""A reader who takes nothing for so long is gone. The kernel takes more of us only when a third of its buffer (up to
4 MB) is free again: 10 KB/s, the slowest line on which anybody watches films, needs 80 s for that."""


class PatientProtocol(HttpToolsProtocol):
    """uvicorn's, with bounds. Bodies and idle connections are bounded elsewhere."""

    head_s = HEAD_S
    stall_s = STALL_S
    _stalled: asyncio.TimerHandle | None = None
    _head: asyncio.TimerHandle | None = None
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._have_head()
        self._goes_on()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """More waits for the client than it takes. Whoever writes waits too: this is all the memory that it costs."""
        super().pause_writing()
        self._watch()

    def resume_writing(self) -> None:
        self._goes_on()
        super().resume_writing()

    def _watch(self) -> None:
        left = self.transport.get_write_buffer_size()
        self._stalled = self.loop.call_later(self.stall_s, self._look, left)

    def _look(self, before: int) -> None:
        if self.transport.get_write_buffer_size() < before:
            self._watch()
        else:
            self.transport.abort()

    def _goes_on(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def data_received(self, data: bytes) -> None:
        if self._head is not None:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._head is not None and self._head_bytes > HEAD_BYTES:
            self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._head is None:  # one more request on the same connection
            self._await_head()

    def on_headers_complete(self) -> None:
        self._have_head()
        super().on_headers_complete()

    def _await_head(self) -> None:
        self._head_bytes = 0
        self._head = self.loop.call_later(self.head_s, self._give_up)

    def _give_up(self) -> None:
        """Not in the middle of the answers to earlier requests."""
        cycle: RequestResponseCycle | None = self.cycle  # None before the first request
        if self.pipeline or (cycle is not None and not cycle.response_complete):
            self._await_head()
        else:
            self.transport.close()

    def _have_head(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None
