"""Leaving nothing half done: what was started is stopped when whoever started it is interrupted or fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from client.errors import RetakeError

T = TypeVar("T")
PATIENCE_S = 10.0


@asynccontextmanager
async def stopping(start: Coroutine[Any, Any, T], stop: Callable[[T], Awaitable[object]]) -> AsyncIterator[T]:
    """Start something; `stop` it unless the body comes to its end.

    An interruption while the request to start is on its way waits for the answer, so that what it started is
    known and stopped too.
    """
    starting = asyncio.ensure_future(start)
    try:
        started = await asyncio.shield(starting)
        yield started
    except BaseException:
        await quietly(_stop(starting, stop))
        raise


async def _stop(starting: asyncio.Future[T], stop: Callable[[T], Awaitable[object]]) -> None:
    await stop(await starting)


async def quietly(work: Awaitable[object], patience_s: float = PATIENCE_S) -> bool:
    """Clean up as well as it goes: failing at it must not hide why it is done. True if it went well."""
    try:
        async with asyncio.timeout(patience_s):
            await work
    except (RetakeError, TimeoutError):
        return False
    return True
