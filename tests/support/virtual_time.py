"""A test whose waits take no time, in which what takes time comes in its exact order, however busy the machine is."""

from __future__ import annotations

import asyncio
import functools
import selectors
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import ParamSpec

from tests.support.clock import START

P = ParamSpec("P")


class _Leaping(selectors.DefaultSelector):
    """Where a loop would wait for its next timer, the time of that timer has come."""

    elapsed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(timeout if timeout is None else 0)
        if not found and timeout:
            self.elapsed += timeout
        return found


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.leaping = _Leaping()
        super().__init__(self.leaping)

    def time(self) -> float:
        return self.leaping.elapsed


class LoopClock:
    """The loop's own time, as a `shared.core.clock.Clock`."""

    def now(self) -> datetime:
        return START + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def virtual_time(test: Callable[P, Awaitable[None]]) -> Callable[P, None]:
    """For tests of coroutines alone: the time of threads and of other processes cannot leap."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        async def whole() -> None:
            await test(*args, **kwargs)

        with asyncio.Runner(loop_factory=_Loop) as runner:
            runner.run(whole())

    return run
