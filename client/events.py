"""The event stream: one endless iterator over connections that come and go.

The server ends a stream now and then, networks break, processes restart: each time the stream is opened again
after the last event that was handed out, so that the caller sees every event once and in order. Where the
server no longer has that place it says `reset` and starts from a snapshot; both are handed out.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from types import TracebackType
from typing import Self

import httpx
from httpx_sse import EventSource, ServerSentEvent, SSEError

from client.errors import BadAnswer, ProblemError, Unauthenticated
from client.models.events import Event, parse_event
from client.transport import API, Transport

HEARTBEAT_TIMEOUT_S = 45.0  # the server sends one every 15 s: three missed ones mean a dead connection
FIRST_DELAY_S = 1.0
LONGEST_DELAY_S = 30.0


class EventStream:
    """`async with client.events(...) as stream: async for event in stream: ...`

    `last_event_id` is the place of the last event handed out; `on_connection` is told True when a connection
    opens and False when it is lost. `patience_s` limits how long an unreachable gateway is waited for
    (None: for ever); after it Unreachable is raised.
    """

    def __init__(
        self,
        transport: Transport,
        path: str,
        last_event_id: str | None = None,
        *,
        heartbeat_timeout_s: float = HEARTBEAT_TIMEOUT_S,
        patience_s: float | None = None,
        on_connection: Callable[[bool], None] | None = None,
    ) -> None:
        self._transport = transport
        self._path = API + path
        self._heartbeat_timeout_s = heartbeat_timeout_s
        self._patience_s = patience_s
        self._on_connection = on_connection or (lambda _connected: None)
        self.last_event_id = last_event_id
        self._retry_s = 0.0  # what the server asked for with `retry:`
        self._failures = 0
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
        renewed, waited_s = False, 0.0
        while True:
            received = False
            cause: Exception | None = None
            try:
                async for sent in self._connection():
                    received, renewed, waited_s = True, False, 0.0
                    self._failures = 0
                    event = self._applied(sent)
                    if event is not None:
                        yield event
            except Unauthenticated:
                if renewed or not await self._transport.renew():
                    raise
                renewed = True
                continue
            except ProblemError as e:
                if e.status not in (429, 500, 502, 503, 504):
                    raise
                self._retry_s = max(self._retry_s, e.retry_after_s or 0.0)
                cause = e
            except (httpx.TransportError, SSEError) as e:
                cause = e
            self._on_connection(False)
            delay_s = self._delay_s(received)
            waited_s += delay_s
            if cause is not None and self._patience_s is not None and waited_s > self._patience_s:
                raise cause if isinstance(cause, ProblemError) else self._transport.unreachable(cause)
            await self._transport.sleep(delay_s)

    async def _connection(self) -> AsyncIterator[ServerSentEvent]:
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        if self.last_event_id:
            headers["Last-Event-ID"] = self.last_event_id
        async with self._transport.stream(
            self._path, headers=headers, read_timeout_s=self._heartbeat_timeout_s
        ) as response:
            self._on_connection(True)
            async for sent in EventSource(response).aiter_sse():
                yield sent

    def _applied(self, sent: ServerSentEvent) -> Event | None:
        if sent.retry is not None:
            self._retry_s = sent.retry / 1000
        # httpx-sse repeats the last id on events that carry none: only a change is a new place.
        place = sent.id if sent.id and sent.id != self.last_event_id else None
        if sent.event == "heartbeat" or not sent.data:
            return None
        try:
            data = json.loads(sent.data)
        except ValueError as e:
            raise BadAnswer(f"The event {sent.event!r} is not JSON.", "Check the address.") from e
        event = parse_event(sent.event, place, data if isinstance(data, dict) else {"value": data})
        if event.name == "reset":
            self.last_event_id = None
        elif place:
            self.last_event_id = place
        return event

    def _delay_s(self, received: bool) -> float:
        """Soon after a stream that worked, with growing jittered pauses while none opens."""
        if received:
            return self._retry_s * (1 + self._transport.draw() / 2)
        pause = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0**self._failures)
        self._failures += 1
        return max(self._retry_s, pause * (0.5 + self._transport.draw() / 2))
