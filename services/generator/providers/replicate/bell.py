"""Wakes whoever waits for a prediction to be looked at: a webhook says that it ended."""

from __future__ import annotations

import asyncio
from contextlib import suppress


class Bell:
    def __init__(self) -> None:
        self._waiting: dict[str, asyncio.Event] = {}

    async def wait(self, prediction_id: str, seconds: float) -> None:
        """Until it is rung, but no longer than this."""
        event = self._waiting.setdefault(prediction_id, asyncio.Event())
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await event.wait()
        finally:
            self._waiting.pop(prediction_id, None)

    def ring(self, prediction_id: str) -> bool:
        """False if nobody here waits for it: polling will do."""
        event = self._waiting.get(prediction_id)
        if event:
            event.set()
        return event is not None
