"""A simulated user: requests a run, waits on the stream for the preview, accepts, and waits for `complete`."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import aiohttp

PATIENCE_S: Final = 60
AGAIN_S: Final = 0.1  # after a connection that was refused or broken off, or a 503
SEGMENTS: Final = 100  # an episode's; each has a starting image, which costs the provider least


class Person:
    """One stream for any number of runs. `requested` and `decided` return durations in seconds. While a gateway
    restarts, a stream is resumed and a command sent again, as every client does: `sent_again` counts the latter."""

    def __init__(self, http: aiohttp.ClientSession, project: str) -> None:
        self.project = project
        self.sent_again = 0
        self._http = http
        self._last_id = ""
        self._waiting: dict[tuple[str, str], asyncio.Future[float]] = {}
        self._seen: dict[tuple[str, str], float] = {}

    @classmethod
    @asynccontextmanager
    async def signed_in(cls, gateway: str, token: str) -> AsyncIterator[Person]:
        headers = {"Authorization": f"Bearer {token}"}
        connector = aiohttp.TCPConnector(limit=0)
        timeout = aiohttp.ClientTimeout(total=None)
        async with aiohttp.ClientSession(gateway, headers=headers, connector=connector, timeout=timeout) as http:
            async with http.get("/api/v1/projects") as answer:
                project = (await answer.json())["data"][0]["id"]
            person = cls(http, project)
            ready = asyncio.Event()
            reader = asyncio.create_task(person._read(ready))
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await ready.wait()
                yield person
            finally:
                reader.cancel()
                await asyncio.gather(reader, return_exceptions=True)

    async def assets(self, count: int) -> list[str]:
        """New starting images that nothing works on yet."""
        found: list[str] = []
        while len(found) < count:
            segments = [{"scene_info": {"description": "A lighthouse"}, "duration": 1}] * min(SEGMENTS, count)
            body = {
                "title": "Loop",
                "output": {"width": 320, "height": 180, "fps": 12, "fit": "blur"},
                "segments": segments,
            }
            episode = await self._post(f"/projects/{self.project}/episodes", body)
            async with self._http.get(f"/api/v1/episodes/{episode['id']}") as answer:
                found += [a["id"] for a in (await answer.json())["assets"] if a["kind"] == "starting_image"]
        return found[:count]

    async def requested(self, asset: str) -> tuple[str, float]:
        """The run, and the seconds from before the POST to `preview-ready`."""
        began = time.perf_counter()
        run = (await self._post(f"/assets/{asset}/runs", {}))["id"]
        return run, await self._event("preview-ready", run) - began

    async def decided(self, run: str) -> float:
        """Seconds from before the POST of the acceptance to `complete`."""
        began = time.perf_counter()
        posted = asyncio.create_task(self._post(f"/runs/{run}/review", {"action": "approve"}))
        arrived = await self._event("complete", run)
        await posted
        return arrived - began

    async def _post(self, path: str, body: dict[str, Any]) -> Any:
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        ends = time.monotonic() + PATIENCE_S
        while True:
            with suppress(aiohttp.ClientConnectionError):
                async with self._http.post(f"/api/v1{path}", json=body, headers=headers) as answer:
                    if answer.status < 300:
                        return await answer.json()
                    if answer.status != 503:
                        raise RuntimeError(f"{path}: {answer.status} {await answer.text()}")
            if time.monotonic() > ends:
                raise TimeoutError(f"{path}: no answer in {PATIENCE_S} s")
            self.sent_again += 1
            await asyncio.sleep(AGAIN_S)

    async def _event(self, name: str, run: str) -> float:
        if (name, run) in self._seen:  # it overtook the answer
            return self._seen.pop((name, run))
        arrival: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._waiting[name, run] = arrival
        async with asyncio.timeout(PATIENCE_S):
            return await arrival

    async def _read(self, ready: asyncio.Event) -> None:
        while True:
            with suppress(aiohttp.ClientError):
                await self._follow(ready)
            await asyncio.sleep(AGAIN_S)

    async def _follow(self, ready: asyncio.Event) -> None:
        name = ""
        headers = {"Last-Event-ID": self._last_id} if self._last_id else {}
        async with self._http.get(f"/api/v1/projects/{self.project}/events", headers=headers) as stream:
            async for line in stream.content:
                if line.startswith(b"event:"):
                    name = line[6:].strip().decode()
                elif line.startswith(b"id:"):
                    self._last_id = line[3:].strip().decode()
                elif line.startswith(b"data:"):
                    if name == "snapshot":
                        ready.set()
                    elif name in ("preview-ready", "complete"):
                        self._arrived(name, json.loads(line[5:])["run_id"])

    def _arrived(self, name: str, run: str) -> None:
        now = time.perf_counter()
        waiting = self._waiting.pop((name, run), None)
        if waiting is None:
            self._seen[name, run] = now
        elif not waiting.done():
            waiting.set_result(now)
