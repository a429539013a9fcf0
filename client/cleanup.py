"""Cancellation of started work when the caller is interrupted or fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from client.errors import ClientError

T = TypeVar("T")
CLEANUP_TIMEOUT_S = 10.0


@asynccontextmanager
async def cancel_on_error(start: Coroutine[Any, Any, T], cancel: Callable[[T], Awaitable[object]]) -> AsyncIterator[T]:
    """Start something, and `cancel` it if the body is interrupted or raises.

    An interruption while the start request is in flight waits for the response, so that the started work is known and
    can be cancelled, too.
    """
    starting = asyncio.ensure_future(start)
    try:
        started = await asyncio.shield(starting)
        yield started
    except BaseException:
        await best_effort(_cancel(starting, cancel))
        raise


async def _cancel(starting: asyncio.Future[T], cancel: Callable[[T], Awaitable[object]]) -> None:
    await cancel(await starting)


async def best_effort(work: Awaitable[object], timeout_s: float = CLEANUP_TIMEOUT_S) -> bool:
    """Run cleanup work whose errors must not hide the error that caused it. Returns whether it succeeded."""
    try:
        async with asyncio.timeout(timeout_s):
            await work
    except (ClientError, TimeoutError):
        return False
    return True
