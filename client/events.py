"""The event stream: one endless iterator over many connections.

The server ends a stream from time to time, networks break, processes restart: each time a new connection resumes after
the last event that was yielded, so that the caller sees every event once and in order. If the server no longer has that
position it sends `reset` and then a snapshot; both are yielded.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing
from types import TracebackType
from typing import Self

import httpx
from httpx_sse import EventSource, ServerSentEvent, SSEError
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from client.errors import BadResponse, ProblemError, Unauthenticated
from client.models.events import Event, parse_event
from client.retry import TRANSIENT_STATUSES, RetryPolicy
from client.transport import API, Transport

HEARTBEAT_TIMEOUT_S = 45.0  # the server sends one every 15 s: three missed ones mean a dead connection
RETRY = RetryPolicy(first_delay_s=1.0, longest_delay_s=30.0)


class EventStream:
    """`async with client.events(...) as stream: async for event in stream: ...`

    `last_event_id` is the position of the last event that was yielded. `on_connection` is called with True when a
    connection opens and with False when it is lost. After `unreachable_s` seconds without a connection (None: never)
    Unreachable is raised.
    """

    def __init__(
        self,
        transport: Transport,
        path: str,
        last_event_id: str | None = None,
        *,
        heartbeat_timeout_s: float = HEARTBEAT_TIMEOUT_S,
        unreachable_s: float | None = None,
        on_connection: Callable[[bool], None] | None = None,
    ) -> None:
        self._transport = transport
        self._timing = transport.timing
        self._path = API + path
        self._heartbeat_timeout_s = heartbeat_timeout_s
        self._unreachable_s = unreachable_s
        self._on_connection = on_connection or (lambda _connected: None)
        self.last_event_id = last_event_id
        self._retry_s = 0.0  # the server's `retry:` or Retry-After
        self._events = self._run()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def __aiter__(self) -> AsyncIterator[Event]:
        return self._events

    async def close(self) -> None:
        await self._events.aclose()

    async def _run(self) -> AsyncGenerator[Event, None]:
        while True:
            connection, events, sent = await self._connect()
            async with connection:
                try:
                    while sent is not None:
                        event = self._parse(sent)
                        if event is not None:
                            yield event
                        sent = await anext(events, None)
                except (httpx.TransportError, SSEError):
                    pass  # the next connection resumes here
            self._on_connection(False)
            await self._timing.sleep(self._retry_s * (1 + self._timing.draw() / 2))

    async def _connect(self) -> _Connection:
        """Connect, with growing pauses while that fails. Raises the refusal, or Unreachable after `unreachable_s`."""
        retrying = AsyncRetrying(
            sleep=self._timing.sleep,
            wait=lambda state: max(self._retry_s, RETRY.backoff_s(state.attempt_number, self._timing.draw)),
            stop=self._must_give_up,
            retry=retry_if_exception(_is_transient),
            reraise=True,
        )
        try:
            return await retrying(self._connect_authorised)
        except (httpx.TransportError, SSEError) as e:
            raise self._transport.unreachable(e) from e

    def _must_give_up(self, state: RetryCallState) -> bool:
        return self._unreachable_s is not None and state.idle_for + state.upcoming_sleep > self._unreachable_s

    async def _connect_authorised(self) -> _Connection:
        """One attempt. A refused token is renewed once."""
        try:
            try:
                return await self._connect_once()
            except Unauthenticated:
                if not await self._transport.renew():
                    raise
                return await self._connect_once()
        except Exception as e:
            if isinstance(e, ProblemError):
                self._retry_s = max(self._retry_s, e.retry_after_s or 0.0)
            if _is_transient(e):
                self._on_connection(False)
            raise

    async def _connect_once(self) -> _Connection:
        """Open the stream and receive its first event. Raises httpx.RemoteProtocolError if there is none."""
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        if self.last_event_id:
            headers["Last-Event-ID"] = self.last_event_id
        async with AsyncExitStack() as connection:
            response = await connection.enter_async_context(
                self._transport.stream(self._path, headers=headers, read_timeout_s=self._heartbeat_timeout_s)
            )
            self._on_connection(True)
            events = await connection.enter_async_context(aclosing(EventSource(response).aiter_sse()))
            first = await anext(events, None)
            if first is None:
                raise httpx.RemoteProtocolError("the event stream ended before its first event")
            return connection.pop_all(), events, first

    def _parse(self, sent: ServerSentEvent) -> Event | None:
        if sent.retry is not None:
            self._retry_s = sent.retry / 1000
        # httpx-sse repeats the last id for events without one: only a different id is a new position.
        event_id = sent.id if sent.id and sent.id != self.last_event_id else None
        if sent.event == "heartbeat" or not sent.data:
            return None
        try:
            data = json.loads(sent.data)
        except ValueError as e:
            raise BadResponse(f"The event {sent.event!r} is not JSON.", "Check the address.") from e
        event = parse_event(sent.event, event_id, data if isinstance(data, dict) else {"value": data})
        if event.name == "reset":
            self.last_event_id = None
        elif event_id:
            self.last_event_id = event_id
        return event


_Connection = tuple[AsyncExitStack, AsyncGenerator[ServerSentEvent, None], ServerSentEvent | None]
"""What closes the connection, its events, and the first one of them."""


def _is_transient(error: BaseException) -> bool:
    match error:
        case httpx.TransportError() | SSEError():
            return True
        case ProblemError(status=status):
            return status in TRANSIENT_STATUSES
        case _:
            return False
