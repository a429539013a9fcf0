"""Readers of event streams, which resume wherever a gateway answers, and keep every event."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

import httpx

from tests.support.storm.history import Frame

AGAIN_S: Final = 0.3
SILENCE_S: Final = 40.0


class Reader:
    """One stream of one project, for as long as `run` runs."""

    def __init__(self, name: str, project_id: str, token: str, gateways: Sequence[str], dice: random.Random) -> None:
        self.name, self.project_id = name, project_id
        self.frames: list[Frame] = []
        self.connections = 0
        self._headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
        self._gateways, self._dice = gateways, dice
        self._last: str | None = None

    @property
    def place(self) -> int:
        """The sequence number of the last event; 0: none."""
        return int((self._last or ":0").rpartition(":")[2])

    async def run(self, http: httpx.AsyncClient) -> None:
        while True:
            with suppress(httpx.HTTPError):
                await self._read(http, self._dice.choice(self._gateways))
            await asyncio.sleep(AGAIN_S)

    async def _read(self, http: httpx.AsyncClient, gateway: str) -> None:
        headers = self._headers | ({"Last-Event-ID": self._last} if self._last else {})
        url = f"{gateway}/api/v1/projects/{self.project_id}/events"
        async with http.stream("GET", url, headers=headers, timeout=httpx.Timeout(10, read=SILENCE_S)) as answer:
            if answer.status_code != 200:
                return
            self.connections += 1
            event: dict[str, str] = {}
            async for line in answer.aiter_lines():
                if line:
                    name, _, value = line.partition(":")
                    event[name] = value.removeprefix(" ")
                elif "data" in event:
                    self._keep(event)
                    event = {}

    def _keep(self, event: dict[str, str]) -> None:
        data: Any = json.loads(event["data"])
        self._last = event.get("id", self._last)
        self.frames.append(Frame(self.name, self.project_id, event.get("id"), event.get("event", "message"), data))
