"""Server-sent events: how one is written, and the bounded queue of one client."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

from services.gateway.domain.event_log import Bounds, Logged

QUEUE_BYTES: Final = 256 * 1024  # a client that is this far behind the live events is dropped; it resumes from the log
QUEUE_FRAMES: Final = 2000


class EventLog(Protocol):
    async def bounds(self) -> Bounds: ...

    async def after(self, seq: int, limit: int) -> list[Logged]:
        """Of all projects, in order."""
        ...

    async def between(
        self, after: int, upto: int, project_ids: Sequence[str], to_user: bool, limit: int
    ) -> list[Logged]:
        """after < seq <= upto, of these projects; `to_user`: only what the stream of a user carries."""
        ...

    async def members(self, project_id: str) -> set[str]:
        """Who may see the project now."""
        ...


def frame(name: str, data: str, event_id: str | None = None) -> bytes:
    """One event. `data` has no line breaks."""
    head = f"id: {event_id}\n" if event_id else ""
    return f"{head}event: {name}\ndata: {data}\n\n".encode()


Frame = tuple[int, bytes]
"""(seq, the encoded event), made once and shared by every stream. seq 0: not of the log (heartbeat)."""


class Stream:
    """The bounded queue of one client."""

    __slots__ = ("_bytes", "_frames", "_skip_to", "_wake", "ended", "kill", "opened_at", "project_ids", "slow",
                 "user_id", "user_wide")

    def __init__(self, user_id: str, project_ids: Iterable[str], user_wide: bool, opened_at: float) -> None:
        self.user_id = user_id
        self.project_ids = set(project_ids)
        self.user_wide = user_wide
        self.opened_at = opened_at
        self.ended = False
        self.slow = False
        self.kill: Callable[[], object] | None = None  # for a client that does not even read the end
        self._frames: deque[Frame] = deque()
        self._bytes = 0
        self._skip_to = 0
        self._wake: asyncio.Future[None] | None = None

    def skip_to(self, seq: int) -> None:
        """Events at or before `seq` reach the client in another way."""
        self._skip_to = max(self._skip_to, seq)
        self._frames = deque(f for f in self._frames if f[0] == 0 or f[0] > seq)
        self._bytes = sum(len(f[1]) for f in self._frames)

    def offer(self, frame: Frame) -> None:
        """Never waits: a queue that is full ends the stream."""
        if self.ended or 0 < frame[0] <= self._skip_to:
            return
        self._frames.append(frame)
        self._bytes += len(frame[1])
        if self._bytes > QUEUE_BYTES or len(self._frames) > QUEUE_FRAMES:
            self.slow = True
            self.end()
            if self.kill is not None:
                asyncio.get_running_loop().call_soon(self.kill)
        elif self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def end(self) -> None:
        """What the client's task is sending is finished, then the response ends."""
        self.ended = True
        self._frames.clear()
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    async def take(self) -> bytes:
        """What is waiting, joined; empty once the stream has ended."""
        while not self._frames and not self.ended:
            self._wake = asyncio.get_running_loop().create_future()
            await self._wake
        frames = self._frames
        if len(frames) == 1:
            self._bytes = 0
            return frames.popleft()[1]
        joined = b"".join([f[1] for f in frames])
        frames.clear()
        self._bytes = 0
        return joined
