"""Waiting for conditions."""

from __future__ import annotations

import asyncio
import inspect
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def eventually(
    look: Callable[[], Awaitable[T] | T], *, within: float = 60.0, every: float = 0.02, what: str = ""
) -> T:
    """Call `look` until its result is true, and return that result. Fails with the last result."""
    loop = asyncio.get_running_loop()
    end = loop.time() + within
    while True:
        seen = look()
        if inspect.isawaitable(seen):
            seen = await seen
        if seen:
            return seen  # type: ignore[return-value]
        if loop.time() > end:
            raise AssertionError(f"{what or 'it'} did not happen within {within:.0f} s; last seen: {seen!r}")
        await asyncio.sleep(every)


async def holds(look: Callable[[], Awaitable[object] | object], *, during: float, every: float = 0.02) -> None:
    """Fail as soon as the result of `look` is false within `during` seconds."""
    loop = asyncio.get_running_loop()
    end = loop.time() + during
    while loop.time() < end:
        seen = look()
        if inspect.isawaitable(seen):
            seen = await seen
        assert seen, f"it was true for only {during - (end - loop.time()):.2f} s; last seen: {seen!r}"
        await asyncio.sleep(every)


async def answers_http(url: str, *, within: float) -> None:
    """Wait until an HTTP server responds, with any status."""

    def responds() -> bool:
        try:
            urllib.request.urlopen(url, timeout=2).close()
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True

    await eventually(lambda: asyncio.to_thread(responds), within=within, what=f"a response from {url}")
