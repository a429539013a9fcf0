"""The hub: reads the log once per process and hands each event, encoded once, to every stream that it concerns."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final, TypeVar

import structlog
from prometheus_client import Counter, Gauge

from services.gateway.domain.event_log import BEGINNING, EventId, LogBounds, LoggedEvent, Place
from services.gateway.stream.quota import StreamQuota
from services.gateway.stream.subscriber import Batch, EventLog, Frame, Grant, Stream, frame
from shared.core.clock import Clock
from shared.core.errors import Retryable
from shared.postgres.retry import UNAVAILABLE

log = structlog.get_logger(__name__)

T = TypeVar("T")

HEARTBEAT_S: Final = 15
LIFE_S: Final = 15 * 60  # a stream ends after this at the latest, so that its grant is checked again
END_S: Final = 2.0  # for a client to take in the end of its stream; then the connection is cut
DRAIN_PER_S: Final = 100  # streams ended in a second when the process stops; each comes back with a few queries
RETRY_S: Final = 0.5
SLICE_BYTES: Final = 32 * 1024  # a small part of a client's queue
PAGE: Final = 1000  # rows of the log per query

CHANGED: Final = "changed"
MEMBERSHIP: Final = frozenset({"project", "member", "members", "share"})
"""Resources of `changed` after which others may see a project, or an episode of it as guests."""

HEARTBEAT: Final = Batch.of([(0, b"event: heartbeat\ndata: {}\n\n")])

STREAMS = Gauge("retake_sse_streams", "Open event streams")
DELIVERED = Counter("retake_sse_frames_total", "Frames handed to streams")
DROPPED = Counter("retake_sse_dropped_total", "Streams dropped because their client did not keep up")


class Hub:
    """Reads the log whenever it is woken and hands every row to the streams that it concerns. One per process."""

    def __init__(self, log_: EventLog, *, clock: Clock, quota: StreamQuota, streams_max: int) -> None:
        self._log = log_
        self._clock = clock
        self._quota = quota
        self._streams_max = streams_max
        self._place = BEGINNING
        self._epoch = ""
        self._of_project: dict[str, set[Stream]] = {}
        self._of_episode: dict[str, set[Stream]] = {}
        self._of_user: dict[str, set[Stream]] = {}  # by project too: streams of a user that see this project
        self._by_user: dict[str, set[Stream]] = {}
        self._watchers: dict[str, set[asyncio.Event]] = {}
        self._woken = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._grants = 0  # counts changes of membership seen in the log
        self.draining = False

    async def __aenter__(self) -> Hub:
        self._tasks = [
            asyncio.create_task(self._pump(), name="sse-pump"),
            asyncio.create_task(self._tick(), name="sse-tick"),
        ]
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.drain()
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def wake(self) -> None:
        """Something was appended to the log."""
        self._woken.set()

    def drain(self, *, over_s: float = 0.0) -> None:
        """Ends every stream, so that the server can stop: clients come back elsewhere and resume.

        A thousand that come at once would each ask for a snapshot: DRAIN_PER_S are ended in a second, all within
        `over_s` seconds.
        """
        self.draining = True
        streams = self._streams()
        random.shuffle(streams)
        spread = min(over_s, len(streams) / DRAIN_PER_S)
        for place, stream in enumerate(streams):
            if spread == 0 or place == 0:
                _end(stream)
            else:
                asyncio.get_running_loop().call_later(spread * place / len(streams), _end, stream)
        for key in tuple(self._watchers):
            self.notify(key)

    @property
    def overloaded(self) -> bool:
        return self.draining or sum(map(len, self._by_user.values())) >= self._streams_max

    # -- streams

    async def join(
        self,
        user_id: str,
        grant: Callable[[], Awaitable[Grant]],
        *,
        user_wide: bool,
        episode_id: str | None = None,
    ) -> tuple[Stream, int]:
        """A stream that gets every event after the returned place, of one episode alone if it is given. `grant`
        reads what the user may see; the stream ends with it, or after LIFE_S.

        Raises StreamLimit.
        """
        if not self._epoch:
            await self._begin()
        await self._quota.take(user_id)
        try:
            while True:
                grants = self._grants
                granted = await grant()
                if grants == self._grants:  # else someone joined or left while we were reading
                    break
        except BaseException:
            self._quota.give_back(user_id)
            raise
        now = self._clock.monotonic()
        stream = Stream(user_id, granted.project_ids, user_wide, now, now + self._life(granted), episode_id)
        index, keys = self._indexed(stream)
        for key in keys:
            index.setdefault(key, set()).add(stream)
        self._by_user.setdefault(user_id, set()).add(stream)
        STREAMS.inc()
        return stream, self._place.seq

    def _life(self, granted: Grant) -> float:
        """The seconds after which a stream ends, so that its grant is checked again."""
        if granted.until is None:
            return LIFE_S
        return min(LIFE_S, (granted.until - self._clock.now()).total_seconds())

    def leave(self, stream: Stream) -> None:
        index, keys = self._indexed(stream)
        for key in keys:
            _discard(index, key, stream)
        _discard(self._by_user, stream.user_id, stream)
        self._quota.give_back(stream.user_id)
        STREAMS.dec()
        if stream.slow:
            DROPPED.inc()

    def _indexed(self, stream: Stream) -> tuple[dict[str, set[Stream]], Collection[str]]:
        """Where a stream is found, and under which ids."""
        if stream.episode_id is not None:
            return self._of_episode, (stream.episode_id,)
        return (self._of_user if stream.user_wide else self._of_project), stream.project_ids

    def _streams(self) -> list[Stream]:
        return [s for streams in self._by_user.values() for s in streams]

    # -- waiting for something else than a stream

    async def wait_for(
        self, key: str | Collection[str], look: Callable[[], Awaitable[T | None]], seconds: float
    ) -> T | None:
        """Looks now and whenever `key`, or one of several, has news (a project: at each of its events; or what `notify`
        is given), until there is something to see or the time is over."""
        if not self._epoch:
            await self._begin()
        news = asyncio.Event()
        keys = (key,) if isinstance(key, str) else key
        for watched in keys:
            self._watchers.setdefault(watched, set()).add(news)
        ends = self._clock.monotonic() + seconds
        try:
            while (seen := await look()) is None and not self.draining and (left := ends - self._clock.monotonic()) > 0:
                with suppress(TimeoutError):
                    async with asyncio.timeout(left):
                        await news.wait()
                news.clear()
            return seen
        finally:
            for watched in keys:
                _discard(self._watchers, watched, news)

    def notify(self, key: str) -> None:
        for news in self._watchers.get(key, ()):
            news.set()

    # -- the pump

    async def _begin(self) -> None:
        bounds = await self._log.bounds()
        if not self._epoch:  # two streams may have asked at once
            self._epoch, self._place = bounds.epoch, bounds.last

    async def _pump(self) -> None:
        while True:
            await self._woken.wait()
            self._woken.clear()
            try:
                await self._catch_up()
            except (*UNAVAILABLE, Retryable) as e:
                log.warning("sse.log_unavailable", error=repr(e))
                await self._again()
            except Exception:  # whatever it is: every stream of this process hangs on this task
                log.exception("sse.pump_failed")
                await self._again()

    async def _again(self) -> None:
        await self._clock.sleep(RETRY_S)
        self._woken.set()

    async def _catch_up(self) -> None:
        if not self._epoch:
            await self._begin()
            return
        while True:
            known, rows = self._place, await self._log.since(self._place.seq, PAGE)
            more = len(rows) == PAGE
            if self._place is not known:  # begun anew meanwhile
                continue
            if rows and rows[0].place == known:
                rows = rows[1:]
            elif not await self._is_past():
                return
            for part in _parts(rows):
                if _is_about_members(part[0]):
                    await self._check_members(part[0].project_id)
                self._dispatch(part)
                await asyncio.sleep(0)  # let the clients take what they have: a burst is not their fault
            if not more:
                return

    def _dispatch(self, part: Sequence[LoggedEvent]) -> None:
        """To the streams of a project what it has of this part, in one piece. A stream of a user takes event after
        event, because its ids must rise across projects."""
        self._place = part[-1].place
        of_project: dict[str, list[Frame]] = {}
        of_episode: dict[str, list[Frame]] = {}
        for row in part:
            users = self._of_user.get(row.project_id, ()) if row.to_user else ()
            in_episode = row.episode_id is not None and row.episode_id in self._of_episode
            if users or in_episode or row.project_id in self._of_project:
                encoded = (row.seq, frame(row.name, row.data, str(EventId(self._epoch, row.place))))
                of_project.setdefault(row.project_id, []).append(encoded)
                if row.episode_id is not None and in_episode:
                    of_episode.setdefault(row.episode_id, []).append(encoded)
                _hand(users, [encoded])
        for project_id, frames in of_project.items():
            _hand(self._of_project.get(project_id, ()), frames)
        for episode_id, frames in of_episode.items():
            _hand(self._of_episode.get(episode_id, ()), frames)
        for project_id in {row.project_id for row in part}:
            self.notify(project_id)

    async def _check_members(self, project_id: str) -> None:
        """Who was let in sees the project on the stream of all projects; who was put out loses it, wherever open."""
        members = await self._log.members(project_id)
        self._grants += 1
        for stream in self._streams():
            may, sees = stream.user_id in members, project_id in stream.project_ids
            if stream.user_wide and may and not sees:
                stream.project_ids.add(project_id)
                self._of_user.setdefault(project_id, set()).add(stream)
            elif stream.user_wide and sees and not may:
                stream.project_ids.discard(project_id)
                _discard(self._of_user, project_id, stream)
            elif sees and not may:
                stream.end()

    async def _tick(self) -> None:
        """Once a second: an end to the streams that have lived long enough, heartbeats to a fifteenth of the others."""
        second = 0
        while True:
            await self._clock.sleep(1)
            second = (second + 1) % HEARTBEAT_S
            now = self._clock.monotonic()
            for stream in self._streams():
                if now >= stream.ends_at and not stream.ended:
                    stream.end()
                elif int(stream.opened_at) % HEARTBEAT_S == second:
                    if stream.ended and now >= stream.ends_at + END_S and stream.kill is not None:
                        stream.kill()  # it takes in nothing, not even the end
                    else:
                        stream.offer(HEARTBEAT)
            if second == 0:
                self._woken.set()  # should a NOTIFY ever be lost
                with suppress(*UNAVAILABLE, Retryable):
                    await self._is_past()

    @property
    def place(self) -> Place:
        """The last event that was handed out. For `observe`: ask for its number with the bounds."""
        return self._place

    def observe(self, place: Place, bounds: LogBounds) -> bool:
        """Whether `place`, where the hub was when the bounds were asked for, is in the log's past. After a restore or a
        failover it is not: then the hub begins anew, streams end, and their clients learn it when they come back."""
        if not self._epoch:
            return True
        if bounds.epoch == self._epoch and bounds.has_passed(place) and place.seq >= bounds.pruned_to.seq:
            return True
        log.warning("sse.another_past", epoch=bounds.epoch, place=place.seq, last=bounds.last.seq)
        self._epoch, self._place = bounds.epoch, bounds.last
        for stream in self._streams():
            stream.end()
        return False

    async def _is_past(self) -> bool:
        place = self._place
        return self.observe(place, await self._log.bounds(place.seq))


def _hand(streams: Collection[Stream], frames: Sequence[Frame]) -> None:
    if streams:
        batch = Batch.of(frames)
        for stream in tuple(streams):
            stream.offer(batch)
        DELIVERED.inc(len(streams) * len(frames))


def _parts(rows: Sequence[LoggedEvent]) -> Iterator[Sequence[LoggedEvent]]:
    """Small ones; a row that may change who sees what begins a new one."""
    begin = size = 0
    for n, row in enumerate(rows):
        if n > begin and (size > SLICE_BYTES or _is_about_members(row)):
            yield rows[begin:n]
            begin, size = n, 0
        size += len(row.data)
    if rows:
        yield rows[begin:]


def _is_about_members(row: LoggedEvent) -> bool:
    return row.name == CHANGED and json.loads(row.data).get("resource") in MEMBERSHIP


def _end(stream: Stream) -> None:
    stream.end()
    if stream.kill is not None:
        asyncio.get_running_loop().call_later(END_S, stream.kill)


def _discard(index: dict[str, set[Any]], key: str, item: Any) -> None:
    found = index.get(key)
    if found is not None:
        found.discard(item)
        if not found:
            del index[key]
