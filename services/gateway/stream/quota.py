"""How many streams a user may hold, wherever they are open: counted here at once, told to the other replicas."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from typing import Final, Protocol

import structlog

from shared.postgres.retry import UNAVAILABLE

log = structlog.get_logger(__name__)

BEAT_S: Final = 10.0
ALIVE_S: Final = 35.0  # three beats: what a replica that died had open is free again after this


class StreamLimit(Exception):
    """The user holds as many streams open as one may."""


class StreamCounts(Protocol):
    """What this replica and the others know of each other."""

    async def admit(self, user_id: str, held: int, most: int) -> bool:
        """Counts the user's streams here as `held`, if no more than `most` are open with those of all others."""
        ...

    async def tell(self, counts: Mapping[str, int]) -> None: ...

    async def alive(self, seconds: float) -> bool:
        """For so long this replica's counts are good. True if nobody knew of it: then everything has to be told."""
        ...

    async def gone(self) -> None: ...


class StreamQuota:
    """Exact within this replica; what was closed here reaches the others a moment later."""

    def __init__(self, counts: StreamCounts, per_user: int) -> None:
        self._counts = counts
        self._per_user = per_user
        self._held: Counter[str] = Counter()  # with those that are just being opened
        self._opening: Counter[str] = Counter()
        self._put_off: set[str] = set()
        self._changed: set[str] = set()
        self._telling: set[str] = set()
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> StreamQuota:
        await self._counts.alive(ALIVE_S)  # before the first stream, whose count would be nobody's
        self._task = asyncio.create_task(self._run(), name="sse-quota")
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        with suppress(*UNAVAILABLE):
            await self._counts.gone()

    async def take(self, user_id: str) -> None:
        """Raises StreamLimit."""
        self._held[user_id] += 1
        self._opening[user_id] += 1
        held = self._held[user_id]
        try:
            if held > self._per_user or not await self._counts.admit(user_id, held, self._per_user):
                raise StreamLimit
        except BaseException:
            self.give_back(user_id)
            raise
        finally:
            self._opened(user_id)
        if user_id in self._telling:  # an older count may be written after this one
            self._change(user_id)

    def _opened(self, user_id: str) -> None:
        self._opening[user_id] -= 1
        if not self._opening[user_id]:
            del self._opening[user_id]
            if user_id in self._put_off:
                self._put_off.remove(user_id)
                self._change(user_id)

    def give_back(self, user_id: str) -> None:
        self._held[user_id] -= 1
        if not self._held[user_id]:
            del self._held[user_id]
        self._change(user_id)

    def _change(self, user_id: str) -> None:
        self._changed.add(user_id)
        self._news.set()

    async def _run(self) -> None:
        while True:
            try:
                if await self._counts.alive(ALIVE_S):
                    self._changed |= set(self._held)
                await self._tell_while_alive()
            except UNAVAILABLE as e:
                log.warning("sse.counts_unavailable", error=repr(e))
                await asyncio.sleep(1)

    async def _tell_while_alive(self) -> None:
        """Until the next beat is due."""
        with suppress(TimeoutError):
            async with asyncio.timeout(BEAT_S):
                while True:
                    if self._changed:
                        await self._tell()
                    else:
                        await self._news.wait()
                        self._news.clear()

    async def _tell(self) -> None:
        # Streams that are just being opened may be refused: told of, they would refuse others elsewhere.
        self._put_off |= {user_id for user_id in self._changed if user_id in self._opening}
        self._telling, self._changed = self._changed - self._put_off, set()
        if not self._telling:
            return
        try:
            await self._counts.tell({user_id: self._held[user_id] for user_id in self._telling})
        except BaseException:
            self._changed |= self._telling
            raise
        finally:
            self._telling = set()
