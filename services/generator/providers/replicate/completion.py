"""Ends the wait between two polls of a prediction as soon as a webhook reports that it has completed."""

from __future__ import annotations

import asyncio
from contextlib import suppress


class CompletionSignal:
    def __init__(self) -> None:
        self._waiting: dict[str, asyncio.Event] = {}

    async def wait(self, prediction_id: str, seconds: float) -> None:
        """Until the signal is set, but no longer than this."""
        event = self._waiting.setdefault(prediction_id, asyncio.Event())
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await event.wait()
        finally:
            self._waiting.pop(prediction_id, None)

    def set(self, prediction_id: str) -> bool:
        """False if nothing in this process waits for the prediction: polling will notice its completion."""
        event = self._waiting.get(prediction_id)
        if event:
            event.set()
        return event is not None
