"""Server-sent events: one hub per process reads the log once and fans each event out, encoded once, to every stream.

A stream is opened in this order, so that nothing is lost and nothing comes twice:
1. it joins the hub at the place p that the hub has reached; from now on it gets every event after p;
2. it reads what it lacks: the log between its own cursor and p, or a snapshot that was taken at a place c >= p;
3. live events at or before the place that step 2 ended at are skipped.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Protocol

import structlog
from prometheus_client import Counter, Gauge
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from shared.clock import Clock
from shared.errors import Retryable
from shared.postgres import UNAVAILABLE

log = structlog.get_logger(__name__)

RETRY_MS: Final = 2000
OVERLOAD_RETRY_MS: Final = 10_000
HEARTBEAT_S: Final = 15
LIFE_S: Final = 15 * 60  # a stream ends after this, so that its grant is checked again
QUEUE_BYTES: Final = 256 * 1024  # a client that is this far behind the live events is dropped and resumes from the log
QUEUE_FRAMES: Final = 2000
PAGE: Final = 1000  # rows of the log per query

HEARTBEAT: Final = b"event: heartbeat\ndata: {}\n\n"

STREAMS = Gauge("retake_sse_streams", "Open event streams")
DELIVERED = Counter("retake_sse_frames_total", "Frames handed to streams")
DROPPED = Counter("retake_sse_dropped_total", "Streams that were dropped because their client did not keep up")


@dataclass(frozen=True, slots=True)
class Logged:
    """One row of the log. `data` is the JSON text as clients get it, on one line."""

    seq: int
    project_id: str
    name: str
    data: str
    to_user: bool


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where the log begins and ends: every seq up to `pruned_to` is gone, `last` is the newest."""

    epoch: str
    pruned_to: int
    last: int


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


class ResetReason(StrEnum):
    EPOCH_CHANGED = "epoch_changed"
    TOO_OLD = "too_old"
    UNKNOWN_ID = "unknown_id"


def frame(name: str, data: str, event_id: str | None = None) -> bytes:
    """One event. `data` has no line breaks."""
    head = f"id: {event_id}\n" if event_id else ""
    return f"{head}event: {name}\ndata: {data}\n\n".encode()


def where_to_resume(last_event_id: str | None, bounds: Bounds) -> int | ResetReason | None:
    """The seq after which to go on, why that is impossible, or None: the client knows nothing yet."""
    if not last_event_id:
        return None
    epoch, _, digits = last_event_id.rpartition(":")
    if not epoch or not (digits.isascii() and digits.isdigit()) or len(digits) > 18:
        return ResetReason.UNKNOWN_ID
    if epoch != bounds.epoch:
        return ResetReason.EPOCH_CHANGED
    seq = int(digits)
    if seq > bounds.last:
        return ResetReason.UNKNOWN_ID
    return seq if seq >= bounds.pruned_to else ResetReason.TOO_OLD


class Stream:
    """The bounded queue of one client."""

    __slots__ = ("_bytes", "_frames", "_ready", "_skip_to", "_wake", "ended", "opened_at", "project_ids", "slow",
                 "user_id", "user_wide")

    def __init__(self, user_id: str, project_ids: Iterable[str], user_wide: bool, opened_at: float) -> None:
        self.user_id = user_id
        self.project_ids = frozenset(project_ids)
        self.user_wide = user_wide
        self.opened_at = opened_at
        self.ended = False
        self.slow = False
        self._frames: deque[bytes] = deque()
        self._bytes = 0
        self._skip_to = 0
        self._wake: asyncio.Future[None] | None = None

    def skip_to(self, seq: int) -> None:
        """Live events at or before `seq` were delivered in another way. Call it before anything was taken."""
        self._skip_to = max(self._skip_to, seq)

    def offer(self, seq: int, data: bytes) -> None:
        """Never waits: a queue that is full ends the stream."""
        if self.ended or 0 < seq <= self._skip_to:
            return
        self._frames.append(data)
        self._bytes += len(data)
        if self._bytes > QUEUE_BYTES or len(self._frames) > QUEUE_FRAMES:
            self.slow = True
            self.end()
        elif self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def end(self) -> None:
        """The client's task finishes what it is sending, then the response ends."""
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
        if not frames:
            return b""
        joined = frames[0] if len(frames) == 1 else b"".join(frames)
        frames.clear()
        self._bytes = 0
        return joined
