"""Server-sent events: how one is written, and the bounded queue of one client."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol, runtime_checkable

from services.gateway.domain.event_log import LogBounds, LoggedEvent

QUEUE_BYTES: Final = 256 * 1024  # a client that is this far behind the live events is dropped; it resumes from the log


@dataclass(frozen=True)
class Grant:
    """The projects whose events a user may see, and when that ends by itself, as a share link does. None: never."""

    project_ids: Iterable[str]
    until: datetime | None = None


class EventLog(Protocol):
    async def bounds(self, *seqs: int) -> LogBounds:
        """With the tags of these numbers, as far as the log has them."""
        ...

    async def since(self, seq: int, limit: int) -> list[LoggedEvent]:
        """The event with that number and those after it, of all projects, in order."""
        ...

    async def between(
        self,
        after: int,
        upto: int,
        project_ids: Sequence[str],
        to_user: bool,
        limit: int,
        episode_id: str | None = None,
    ) -> list[LoggedEvent] | None:
        """after < seq <= upto, of these projects; `to_user`: only what the stream of a user carries; `episode_id`: only
        what is about that episode. None if some of it may have been pruned."""
        ...

    async def members(self, project_id: str) -> set[str]:
        """Who may see the project now, or an episode of it as a guest."""
        ...


def frame(name: str, data: str, event_id: str | None = None) -> bytes:
    """One event. `data` has no line breaks."""
    head = f"id: {event_id}\n" if event_id else ""
    return f"{head}event: {name}\ndata: {data}\n\n".encode()


Frame = tuple[int, bytes]
"""(seq, the encoded event). seq 0: not of the log (heartbeat)."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Events that go out together, encoded and joined once for all the streams that get them."""

    frames: Sequence[Frame]
    body: bytes
    chunk: bytes
    """The same as a chunk of HTTP/1.1."""

    @classmethod
    def of(cls, frames: Sequence[Frame]) -> Batch:
        body = b"".join([data for _, data in frames])
        return cls(frames, body, b"%x\r\n%b\r\n" % (len(body), body))

    def after(self, seq: int) -> Batch | None:
        """Without the events at or before `seq`."""
        left = [f for f in self.frames if f[0] == 0 or f[0] > seq]
        return Batch.of(left) if left else None


@runtime_checkable
class Wire(Protocol):
    """A connection that takes chunks as they are: an asyncio transport."""

    def write(self, data: bytes) -> None: ...

    def get_write_buffer_size(self) -> int: ...


class Stream:
    """The bounded queue of one client. Once it has nothing to catch up with, the connection's own buffer is that queue:
    no task has to wake for an event."""

    __slots__ = (
        "_bytes",
        "_queue",
        "_skip_to",
        "_wake",
        "_wire",
        "ended",
        "ends_at",
        "episode_id",
        "kill",
        "opened_at",
        "project_ids",
        "slow",
        "user_id",
        "user_wide",
    )

    def __init__(
        self,
        user_id: str,
        project_ids: Iterable[str],
        user_wide: bool,
        opened_at: float,
        ends_at: float,
        episode_id: str | None = None,
    ) -> None:
        """Times are of the monotonic clock. `episode_id`: the stream has the events of that episode alone."""
        self.user_id = user_id
        self.episode_id = episode_id
        self.project_ids = set(project_ids)
        self.user_wide = user_wide
        self.opened_at = opened_at
        self.ends_at = ends_at
        self.ended = False
        self.slow = False
        self.kill: Callable[[], object] | None = None  # for a client that does not even read the end
        self._queue: deque[Batch] = deque()
        self._bytes = 0
        self._skip_to = 0
        self._wake: asyncio.Future[None] | None = None
        self._wire: Wire | None = None

    def skip_to(self, seq: int) -> None:
        """Events at or before `seq` reach the client in another way."""
        self._skip_to = max(self._skip_to, seq)
        self._queue = deque(left for batch in self._queue if (left := batch.after(seq)))
        self._bytes = sum(len(batch.body) for batch in self._queue)

    def offer(self, batch: Batch) -> None:
        """Never waits: a queue that is full ends the stream."""
        if self.ended:
            return
        if 0 < batch.frames[0][0] <= self._skip_to:
            left = batch.after(self._skip_to)
            if left is None:
                return
            batch = left
        if self._wire is not None:
            if self._wire.get_write_buffer_size() > QUEUE_BYTES:
                self._drop()
            else:
                self._wire.write(batch.chunk)
            return
        self._queue.append(batch)
        self._bytes += len(batch.body)
        if self._bytes > QUEUE_BYTES:
            self._drop()
        else:
            self._rouse()

    def end(self) -> None:
        """What the client's task is sending is finished, then the response ends."""
        self.ended = True
        self._wire = None
        self._queue.clear()
        self._rouse()

    async def go_live(self, wire: Wire) -> None:
        """From now on events go straight to the connection, until the stream ends. Nothing may be waiting."""
        assert not self._queue
        if not self.ended:
            self._wire = wire
            await self._news()

    async def take(self) -> bytes:
        """What is waiting, joined; empty once the stream has ended."""
        while not self._queue and not self.ended:
            await self._news()
        return self.take_now()

    def take_now(self) -> bytes:
        """The same without waiting."""
        bodies = [batch.body for batch in self._queue]
        self._queue.clear()
        self._bytes = 0
        return bodies[0] if len(bodies) == 1 else b"".join(bodies)

    async def _news(self) -> None:
        self._wake = asyncio.get_running_loop().create_future()
        await self._wake

    def _rouse(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def _drop(self) -> None:
        self.slow = True
        self.end()
        if self.kill is not None:
            asyncio.get_running_loop().call_soon(self.kill)
