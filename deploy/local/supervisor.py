"""Keeps parts running: starts each when what it needs is ready, and again, after a pause, when it ends."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, Self

from deploy.local.board import Board
from deploy.local.children import Child
from deploy.local.parts import Part
from deploy.local.state import PartStatus, State
from shared.core.clock import Clock
from shared.core.errors import Permanent, RetakeError

FIRST_PAUSE_S: Final = 0.5  # most crashes are one-off; readers of the loop should not notice them
LONGEST_PAUSE_S: Final = 30.0
STABLE_S: Final = 30.0  # whoever was ready for this long starts afresh with the first pause
START_ATTEMPTS: Final = 3  # before everything was ready once; later we never give up


class PartFailed(Permanent):
    """A part did not start, several times."""

    def __init__(self, part: str, why: str) -> None:
        super().__init__("part_failed", f"{part} {why}")
        self.part = part


class Supervisor:
    """`async with` starts the parts and stops them, dependants first. `external` parts are only known, not run."""

    def __init__(
        self, parts: Sequence[Part], external: Mapping[str, str], *, clock: Clock,
        on_change: Callable[[PartStatus], None],
    ) -> None:  # fmt: skip
        self._parts = {p.name: p for p in parts}
        self._clock = clock
        self.board = Board(on_change)
        for name, address in external.items():
            self.board.add(PartStatus(name, State.READY, address=address, detail="external"))
        for part in parts:
            self.board.add(PartStatus(part.name))
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._was_ready = False
        self._hurry = False

    async def __aenter__(self) -> Self:
        self._tasks = {n: asyncio.create_task(self._keep(p), name=n) for n, p in self._parts.items()}
        return self

    async def __aexit__(self, *exc: object) -> None:
        await asyncio.shield(asyncio.ensure_future(self._stop()))

    async def all_ready(self) -> None:
        """Return once every part is ready; raise what keeps one from starting."""
        ready = asyncio.create_task(self.board.all_ready())
        try:
            await asyncio.wait([ready, *self._tasks.values()], return_when=asyncio.FIRST_COMPLETED)
            self._raise_failure()
            self._was_ready = True
        finally:
            ready.cancel()

    async def watch(self) -> None:
        """Never returns; raises if one of the parts is no longer looked after, which only a mistake of ours does."""
        await asyncio.wait(self._tasks.values(), return_when=asyncio.FIRST_COMPLETED)
        self._raise_failure()

    def hurry(self) -> None:
        """Kill what is still being stopped."""
        self._hurry = True
        for part in self.board.parts:
            if part.process:
                part.process.signal(signal.SIGKILL, group=True)

    def _raise_failure(self) -> None:
        for task in self._tasks.values():
            if task.done() and not task.cancelled():
                task.result()

    async def _stop(self) -> None:
        left = dict(self._parts)
        while left:
            needed = {n for p in left.values() for n in p.needs}
            now = [n for n in left if n not in needed]
            for name in now:
                self._tasks[name].cancel()
                del left[name]
            await asyncio.gather(*(self._tasks[n] for n in now), return_exceptions=True)

    async def _keep(self, part: Part) -> None:
        """Run one part for ever. Raises only if it cannot be started at first."""
        failures, pause = 0, FIRST_PAUSE_S
        while True:
            began = self._clock.monotonic()
            try:
                why = await self._run_once(part)
            except RetakeError as e:
                if not (e.retryable or self._was_ready):
                    raise
                why = f"could not start: {e.cause}"
            except OSError as e:  # the disk is full, there are too many processes: that may pass
                why = f"could not start: {e}"
            if why == _MOVED:
                continue
            failures += 1
            if not self._was_ready and failures >= START_ATTEMPTS:
                raise PartFailed(part.name, why)
            if self._clock.monotonic() - began > STABLE_S:
                pause = FIRST_PAUSE_S
            await self.board.set(part.name, State.BACKING_OFF, process=None, detail=f"{why}; again in {pause:g} s")
            await self._clock.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_S)

    async def _run_once(self, part: Part) -> str:
        """From launch to end; returns why it ended."""
        await self.board.set(part.name, State.WAITING, process=None)
        addresses = await self.board.addresses(part.needs)
        began = self._clock.monotonic()
        await self.board.set(part.name, State.STARTING, starts=self.board[part.name].starts + 1, detail="")
        child = await part.launch(addresses)
        moved = asyncio.ensure_future(self.board.addresses(part.needs, other_than=addresses))
        try:
            await self.board.set(part.name, State.STARTING, process=child.id)
            address = await self._until_ready(part, child, moved)
            took = round(self._clock.monotonic() - began, 2)
            await self.board.set(part.name, State.READY, address=address, ready_s=took)
            return await _until_end(child, moved)
        except _Ended as e:
            return str(e)
        finally:
            await _cancel(moved)
            await child.stop(0 if self._hurry else part.stop_grace_s)
            await self.board.set(part.name, State.STOPPED, process=None)

    async def _until_ready(self, part: Part, child: Child, moved: asyncio.Future[dict[str, str]]) -> str:
        ready = asyncio.ensure_future(part.ready(child))
        ended = asyncio.ensure_future(_until_end(child, moved))
        try:
            await asyncio.wait([ready, ended], timeout=part.ready_timeout_s, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                raise _Ended(ended.result())
            if not ready.done():
                raise _Ended(f"was not ready after {part.ready_timeout_s:g} s")
            return ready.result()
        finally:
            await _cancel(ready, ended)


async def _until_end(child: Child, moved: asyncio.Future[dict[str, str]]) -> str:
    """Wait until it ends, or must end; returns why."""
    ended = asyncio.ensure_future(child.ended())
    either: list[asyncio.Future[Any]] = [moved, ended]
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        return _ending(ended.result()) if ended.done() else _MOVED
    finally:
        await _cancel(ended)


class _Ended(Exception):
    """The part did not become ready."""


_MOVED: Final = "is started again: a part it needs has a new address"


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    with suppress(ValueError):
        return f"was ended by {signal.Signals(-code).name}"
    return f"was ended by signal {-code}"


async def _cancel(*futures: asyncio.Future[Any]) -> None:
    for future in futures:
        future.cancel()
    await asyncio.gather(*futures, return_exceptions=True)
