"""A server connection that bounds the time for a request's head and for a client that reads no response."""

from __future__ import annotations

import asyncio
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

HEAD_S: Final = 15.0  # from the first byte (or the connection) to the end of the headers; any line manages that
HEAD_BYTES: Final = 64 * 1024  # twice what browsers and proxies send at most
STALL_S: Final = 120.0
"""A client that reads nothing for this long is considered gone. The kernel accepts more data only when a third of its
buffer (up to 4 MB) is free again: at 10 KB/s, the slowest line on which videos are watched, that takes 80 s."""


class TimeoutProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol with these bounds. Bodies and idle connections are bounded elsewhere."""

    head_s = HEAD_S
    stall_s = STALL_S
    _stall_timer: asyncio.TimerHandle | None = None
    _head_timer: asyncio.TimerHandle | None = None
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._start_head_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_head_timer()
        self._stop_stall_timer()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The write buffer is full. The application waits too, so the buffer is all the memory that this costs."""
        super().pause_writing()
        self._start_stall_timer()

    def resume_writing(self) -> None:
        self._stop_stall_timer()
        super().resume_writing()

    def _start_stall_timer(self) -> None:
        unread = self.transport.get_write_buffer_size()
        self._stall_timer = self.loop.call_later(self.stall_s, self._check_progress, unread)

    def _check_progress(self, unread_before: int) -> None:
        if self.transport.get_write_buffer_size() < unread_before:
            self._start_stall_timer()
        else:
            self.transport.abort()

    def _stop_stall_timer(self) -> None:
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None

    def data_received(self, data: bytes) -> None:
        if self._head_timer is not None:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._head_timer is not None and self._head_bytes > HEAD_BYTES:
            self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._head_timer is None:  # the next request on the same connection
            self._start_head_timer()

    def on_headers_complete(self) -> None:
        self._stop_head_timer()
        super().on_headers_complete()

    def _start_head_timer(self) -> None:
        self._head_bytes = 0
        self._head_timer = self.loop.call_later(self.head_s, self._time_out_head)

    def _time_out_head(self) -> None:
        """Closes the connection, but not while responses to earlier requests are being sent."""
        cycle: RequestResponseCycle | None = self.cycle  # None before the first request
        if self.pipeline or (cycle is not None and not cycle.response_complete):
            self._start_head_timer()
        else:
            self.transport.close()

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
