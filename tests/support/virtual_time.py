"""Virtual time: waits take no real time, and timers fire in their exact order however busy the machine is."""

from __future__ import annotations

import asyncio
import functools
import selectors
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import ParamSpec

from tests.support.clock import START

P = ParamSpec("P")


class _SkippingSelector(selectors.DefaultSelector):
    """Instead of waiting for the next timer, advances the time to it."""

    elapsed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(timeout if timeout is None else 0)
        if not found and timeout:
            self.elapsed += timeout
        return found


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.skipping = _SkippingSelector()
        super().__init__(self.skipping)

    def time(self) -> float:
        return self.skipping.elapsed


class LoopClock:
    """The virtual time of the running loop as a `shared.core.clock.Clock`."""

    def now(self) -> datetime:
        return START + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def virtual_time(test: Callable[P, Awaitable[None]]) -> Callable[P, None]:
    """Run a test in virtual time. Only for tests without threads and other processes, whose time cannot be skipped."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        async def whole() -> None:
            await test(*args, **kwargs)

        with asyncio.Runner(loop_factory=_Loop) as runner:
            runner.run(whole())

    return run
