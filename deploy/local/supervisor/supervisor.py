"""Keeps parts running: starts each when the parts it needs are ready, and restarts it, after a pause, when it ends."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, Self

from deploy.local.parts.base import Part
from deploy.local.supervisor.part_statuses import PartStatuses
from deploy.local.supervisor.processes import Child
from deploy.local.supervisor.state import EXTERNAL, PartStatus, State
from shared.core.clock import Clock
from shared.core.errors import Permanent, RetakeError

FIRST_PAUSE_S: Final = 0.5  # most crashes happen once; a user should not notice them
LONGEST_PAUSE_S: Final = 30.0
STABLE_S: Final = 30.0  # a part that ran for this long starts again with the first pause
START_ATTEMPTS: Final = 3  # until everything was ready once; later the supervisor never gives up


class PartFailed(Permanent):
    """A part failed to start several times."""

    def __init__(self, part: str, reason: str) -> None:
        super().__init__("part_failed", f"{part} {reason}")
        self.part = part


class Supervisor:
    """`async with` starts the parts, and stops them, dependants first. `external` has the addresses of the parts that
    are not ours to run."""

    def __init__(
        self, parts: Sequence[Part], external: Mapping[str, str], *, clock: Clock,
        on_change: Callable[[PartStatus], None],
    ) -> None:  # fmt: skip
        self._parts = {p.name: p for p in parts}
        self._clock = clock
        self.statuses = PartStatuses(on_change)
        for name, address in external.items():
            self.statuses.add(PartStatus(name, State.READY, address=address, detail=EXTERNAL))
        for part in parts:
            self.statuses.add(PartStatus(part.name))
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._was_ready = False
        self._kill_at_once = False

    async def __aenter__(self) -> Self:
        self._tasks = {n: asyncio.create_task(self._keep_running(p), name=n) for n, p in self._parts.items()}
        return self

    async def __aexit__(self, *exc: object) -> None:
        await asyncio.shield(asyncio.ensure_future(self._stop()))

    async def all_ready(self) -> None:
        """Return once every part is ready. Raises PartFailed or the error that prevents a part from starting."""
        ready = asyncio.create_task(self.statuses.all_ready())
        try:
            await asyncio.wait([ready, *self._tasks.values()], return_when=asyncio.FIRST_COMPLETED)
            self._raise_failure()
            self._was_ready = True
        finally:
            ready.cancel()

    async def watch(self) -> None:
        """Never returns. Raises the error of a part's task that ended, which is a defect."""
        await asyncio.wait(self._tasks.values(), return_when=asyncio.FIRST_COMPLETED)
        self._raise_failure()

    def kill(self) -> None:
        """Kill every part now instead of waiting for its grace period."""
        self._kill_at_once = True
        for part in self.statuses.parts:
            if part.process:
                part.process.signal(signal.SIGKILL, group=True)

    def _raise_failure(self) -> None:
        for task in self._tasks.values():
            if task.done() and not task.cancelled():
                task.result()

    async def _stop(self) -> None:
        remaining = dict(self._parts)
        while remaining:
            needed = {n for p in remaining.values() for n in p.needs}
            unneeded = [n for n in remaining if n not in needed]
            for name in unneeded:
                self._tasks[name].cancel()
                del remaining[name]
            await asyncio.gather(*(self._tasks[n] for n in unneeded), return_exceptions=True)

    async def _keep_running(self, part: Part) -> None:
        """Run one part forever. Raises only if it cannot be started at first."""
        failures, pause = 0, FIRST_PAUSE_S
        while True:
            began = self._clock.monotonic()
            try:
                reason = await self._run_once(part)
            except RetakeError as e:
                if not (e.retryable or self._was_ready):
                    raise
                reason = f"could not start: {e.cause}"
            except OSError as e:  # the disk is full, or there are too many processes: that may pass
                reason = f"could not start: {e}"
            if reason == _ADDRESS_CHANGED:
                continue
            failures += 1
            if not self._was_ready and failures >= START_ATTEMPTS:
                raise PartFailed(part.name, reason)
            if self._clock.monotonic() - began > STABLE_S:
                pause = FIRST_PAUSE_S
            detail = f"{reason}; restarting in {pause:g} s"
            await self.statuses.set(part.name, State.BACKING_OFF, process=None, detail=detail)
            await self._clock.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_S)

    async def _run_once(self, part: Part) -> str:
        """Run the part from launch to end; returns the reason of its end."""
        await self.statuses.set(part.name, State.WAITING, process=None)
        addresses = await self.statuses.addresses(part.needs)
        began = self._clock.monotonic()
        await self.statuses.set(part.name, State.STARTING, starts=self.statuses[part.name].starts + 1, detail="")
        child = await part.launch(addresses)
        address_change = asyncio.ensure_future(self.statuses.addresses(part.needs, other_than=addresses))
        try:
            await self.statuses.set(part.name, State.STARTING, process=child.id)
            address = await self._until_ready(part, child, address_change)
            ready_s = round(self._clock.monotonic() - began, 2)
            await self.statuses.set(part.name, State.READY, address=address, ready_s=ready_s)
            return await _until_end(child, address_change)
        except _NotReady as e:
            return str(e)
        finally:
            await _cancel(address_change)
            await child.stop(0 if self._kill_at_once else part.stop_grace_s)
            await self.statuses.set(part.name, State.STOPPED, process=None)

    async def _until_ready(self, part: Part, child: Child, address_change: asyncio.Future[dict[str, str]]) -> str:
        ready = asyncio.ensure_future(part.ready(child))
        ended = asyncio.ensure_future(_until_end(child, address_change))
        try:
            await asyncio.wait([ready, ended], timeout=part.ready_timeout_s, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                raise _NotReady(ended.result())
            if not ready.done():
                raise _NotReady(f"was not ready after {part.ready_timeout_s:g} s")
            return ready.result()
        finally:
            await _cancel(ready, ended)


async def _until_end(child: Child, address_change: asyncio.Future[dict[str, str]]) -> str:
    """Wait until it ends, or must be restarted; returns the reason."""
    ended = asyncio.ensure_future(child.ended())
    either: list[asyncio.Future[Any]] = [address_change, ended]
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        return _describe_exit(ended.result()) if ended.done() else _ADDRESS_CHANGED
    finally:
        await _cancel(ended)


class _NotReady(Exception):
    """The part did not become ready."""


_ADDRESS_CHANGED: Final = "is restarted: a part that it needs has a new address"


def _describe_exit(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    with suppress(ValueError):
        return f"was ended by {signal.Signals(-code).name}"
    return f"was ended by signal {-code}"


async def _cancel(*futures: asyncio.Future[Any]) -> None:
    for future in futures:
        future.cancel()
    await asyncio.gather(*futures, return_exceptions=True)
