"""At SIGTERM the server waits for open answers, and streams never end by themselves: so they are ended."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def on_termination(drain: Callable[[], None]) -> Iterator[None]:
    """Calls `drain` in the event loop as soon as the process is told to end, and then whatever was called before."""
    if threading.current_thread() is not threading.main_thread():  # only there can signals be caught
        yield
        return
    loop = asyncio.get_running_loop()
    before: dict[int, Any] = {}

    def told(number: int, frame: Any) -> None:
        loop.call_soon_threadsafe(drain)
        if callable(before[number]):
            before[number](number, frame)

    for caught in _SIGNALS:
        before[caught] = signal.getsignal(caught)
        signal.signal(caught, told)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
