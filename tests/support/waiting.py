"""Waiting for what happens by itself."""

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
    """Call `look` until it returns something true; returns that. Fails with what it said last."""
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
    """Fails as soon as `look` returns something false within `during` seconds."""
    loop = asyncio.get_running_loop()
    end = loop.time() + during
    while loop.time() < end:
        seen = look()
        if inspect.isawaitable(seen):
            seen = await seen
        assert seen, f"it held for {during - (end - loop.time()):.2f} s only; last seen: {seen!r}"
        await asyncio.sleep(every)


async def answers_http(url: str, *, within: float) -> None:
    """Until something answers there, whatever it says."""

    def asked() -> bool:
        try:
            urllib.request.urlopen(url, timeout=2).close()
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True

    await eventually(lambda: asyncio.to_thread(asked), within=within, what=f"an answer at {url}")
