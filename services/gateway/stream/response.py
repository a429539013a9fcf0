"""A stream as an ASGI response of our own: snapshot or replay, then live, without a gap.

1. The stream joins the hub at the place p that the hub has reached: from now on it gets every event after p.
2. It sends what the client lacks: the log between the client's place and p, or a snapshot taken at a place c >= p.
3. Live events at or before the place that step 2 ended at are skipped.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Final, cast

import structlog
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from services.gateway.api.problems import rate_limited
from services.gateway.api.schemas.events import ResetEvent, SnapshotEvent
from services.gateway.domain.event_log import EventId, LogBounds, Place, ResetReason, resume_position
from services.gateway.stream.hub import PAGE, Hub
from services.gateway.stream.quota import StreamLimit
from services.gateway.stream.subscriber import EventLog, Grant, Stream, Wire, frame
from shared.contracts.messages import message
from shared.postgres.retry import UNAVAILABLE

log = structlog.get_logger(__name__)

RETRY_MS: Final = (1000, 5000)
"""Drawn for each stream, so that those whose streams end together do not come back together."""
OVERLOAD_RETRY_MS: Final = 10_000

PLAIN_SEND: Final = "retake.send"
"""Key of the ASGI scope under which the outermost layer leaves the server's own `send`."""


LATER: Final = "retake.later"
"""Key of the ASGI scope, if the outermost layer is there: what it calls once every layer inside it has returned. A
stream lives for minutes, and the frames and objects of those layers would be most of what it costs."""


@dataclass(frozen=True)
class Opening:
    """What a request asked for."""

    user_id: str
    user_wide: bool
    last_event_id: str | None
    grant: Callable[[], Awaitable[Grant]]
    snapshot: Callable[[Iterable[str]], Awaitable[tuple[Place, SnapshotEvent]]]
    """The place in the log where it was taken, and its content."""
    episode_id: str | None = None
    """Of an episode's stream."""


class EventStreamResponse(Response):
    """The answer to a GET of a stream: our own ASGI response, because fan-out is what this service is for."""

    media_type = "text/event-stream"

    def __init__(self, hub: Hub, log_: EventLog, opening: Opening) -> None:
        super().__init__(headers={"cache-control": "no-store", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._hub = hub
        self._log = log_
        self._opening = opening

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start: Message = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        plain: Send = scope.get(PLAIN_SEND, send)  # without the layers that only care for the start
        if self._hub.overloaded:
            await send(start)
            await _end(plain, f"retry: {OVERLOAD_RETRY_MS}\n\n".encode())
            return
        o = self._opening
        last = EventId.parse(o.last_event_id) if o.last_event_id else None
        reached = self._hub.place
        asked = [reached.seq, last.place.seq] if last else [reached.seq]
        bounds = await self._log.bounds(*asked)  # before the start: a database that is away is still a 503
        self._hub.observe(reached, bounds)
        try:
            stream, place = await self._hub.join(o.user_id, o.grant, user_wide=o.user_wide, episode_id=o.episode_id)
        except StreamLimit:
            raise rate_limited("streams", 10, message("problem.too_many_streams")) from None
        stream.kill = _cutter(plain)
        try:
            await send(start)
            await self._prelude(stream, last, place, bounds, plain)
        except UNAVAILABLE as e:  # too late for a 503: the client comes back and resumes
            log.warning("sse.prelude_failed", error=repr(e))
            stream.end()
        except BaseException:
            self._hub.leave(stream)
            raise
        live = partial(_live, self._hub, stream, receive, plain)
        if LATER in scope:
            scope[LATER] = live
        else:
            await live()

    async def _prelude(self, stream: Stream, last: EventId | None, place: int, bounds: LogBounds, send: Send) -> None:
        await _body(send, f"retry: {random.randint(*RETRY_MS)}\n\n".encode())
        if self._opening.last_event_id:
            resume = resume_position(last, bounds)
            if isinstance(resume, int):
                stream.skip_to(max(resume, place))
                if await self._replay(stream, resume, place, bounds.epoch, send):
                    return
                resume = ResetReason.TOO_OLD
            await _body(send, frame("reset", ResetEvent(reason=resume.value).model_dump_json()))
        taken_at, snapshot = await self._opening.snapshot(stream.project_ids)
        stream.skip_to(taken_at.seq)
        await _body(send, frame("snapshot", snapshot.model_dump_json(), str(EventId(bounds.epoch, taken_at))))

    async def _replay(self, stream: Stream, after: int, upto: int, epoch: str, send: Send) -> bool:
        """What the client missed, page by page; live events queue up meanwhile. False if some of it was pruned."""
        while after < upto and not stream.ended:
            rows = await self._log.between(
                after, upto, list(stream.project_ids), stream.user_wide, PAGE, stream.episode_id
            )
            if rows is None:
                return False
            if rows:
                await _body(send, b"".join(frame(r.name, r.data, str(EventId(epoch, r.place))) for r in rows))
            if len(rows) < PAGE:
                break
            after = rows[-1].seq
        return True


async def _live(hub: Hub, stream: Stream, receive: Receive, send: Send) -> None:
    """The long part: what happens from now on, until either side ends it."""
    watcher = asyncio.create_task(_end_on_disconnect(receive, stream))
    try:
        wire = _wire(send)
        if wire is None:
            while data := await stream.take():
                await _body(send, data)
        else:
            while data := stream.take_now():
                await _body(send, data)
            await stream.go_live(wire)
        await _end(send)
    finally:
        watcher.cancel()
        hub.leave(stream)


async def _body(send: Send, data: bytes) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": True})


async def _end(send: Send, data: bytes = b"") -> None:
    await send({"type": "http.response.body", "body": data, "more_body": False})


async def _end_on_disconnect(receive: Receive, stream: Stream) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    stream.end()


def _wire(send: Send) -> Wire | None:
    """The connection itself, where it is uvicorn's and the response goes in chunks: an event is then one write, encoded
    and framed once for all clients, with no task and no message in between. Anything else goes by `send`."""
    cycle = getattr(send, "__self__", None)
    if getattr(cycle, "chunked_encoding", None) is True and isinstance(getattr(cycle, "transport", None), Wire):
        return cast(Wire, cycle.transport)  # type: ignore[union-attr]
    return None


def _cutter(send: Send) -> Callable[[], object]:
    """Cuts a connection whose client reads nothing: ASGI has no word for that, so through uvicorn's transport."""
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is not None:
        return cast(Callable[[], object], transport.abort)
    task = asyncio.current_task()
    assert task is not None
    return task.cancel
