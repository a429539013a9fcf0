"""A client that uses only the published API: plain HTTP and server-sent events, without the Python client."""

from __future__ import annotations

import io
import json
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from PIL import Image, ImageDraw

TIMEOUT_S = 150.0


@dataclass
class Sse:
    """An event stream, read in a thread. `events` holds (id, name, data) in order."""

    url: str
    token: str
    last_event_id: str | None = None
    events: list[tuple[str | None, str, dict[str, Any]]] = field(default_factory=list)
    _arrived: queue.Queue[None] = field(default_factory=queue.Queue)
    _closing: bool = False

    def wait(
        self, wanted: Callable[[str, dict[str, Any]], bool], *, after: int = 0, timeout_s: float = TIMEOUT_S
    ) -> tuple[int, dict[str, Any]]:
        """The position after the first matching event, counted from `after`, and the data of that event."""
        end = time.monotonic() + timeout_s
        position = after
        while True:
            while position < len(self.events):
                _, name, data = self.events[position]
                position += 1
                if wanted(name, data):
                    return position, data
            left = end - time.monotonic()
            if left <= 0:
                raise AssertionError(f"not seen in {timeout_s} s; had {[n for _, n, _ in self.events[after:]]}")
            try:
                self._arrived.get(timeout=min(left, 1.0))
            except queue.Empty:
                continue

    def _read(self) -> None:
        """Reconnect with the last event id, as a browser does."""
        while not self._closing:
            try:
                self._read_once()
            except httpx.HTTPError:
                time.sleep(0.2)

    def _read_once(self) -> None:
        headers = {"Authorization": f"Bearer {self.token}", "Accept": "text/event-stream"}
        if self.last_event_id:
            headers["Last-Event-ID"] = self.last_event_id
        with httpx.stream("GET", self.url, headers=headers, timeout=httpx.Timeout(5, read=40)) as response:
            if response.status_code != 200:
                time.sleep(0.3)
                return
            name, data, event_id = "message", [], None
            for line in response.iter_lines():
                if self._closing:
                    return
                if line.startswith("event:"):
                    name = line[6:].strip()
                elif line.startswith("data:"):
                    data.append(line[5:].strip())
                elif line.startswith("id:"):
                    event_id = line[3:].strip()
                elif not line and data:
                    if event_id:
                        self.last_event_id = event_id
                    self.events.append((event_id, name, json.loads("\n".join(data))))
                    self._arrived.put(None)
                    name, data, event_id = "message", [], None


class Api:
    """Requests below /api/v1; a failed one shows its response."""

    def __init__(self, gateway: str, token: str) -> None:
        self.gateway = gateway
        self.token = token
        self.http = httpx.Client(base_url=f"{gateway}/api/v1", timeout=70, headers={"Authorization": f"Bearer {token}"})

    def call(self, method: str, path: str, expect: int | tuple[int, ...] = (200, 201, 202, 204), **kwargs: Any) -> Any:
        response = self.http.request(method, path, **kwargs)
        wanted = (expect,) if isinstance(expect, int) else expect
        assert response.status_code in wanted, f"{method} {path}: {response.status_code} {response.text[:1500]}"
        return response.json() if response.content else None

    def get(self, path: str, **kwargs: Any) -> Any:
        return self.call("GET", path, **kwargs)

    def post(self, path: str, body: Any = None, **kwargs: Any) -> Any:
        return self.call("POST", path, json={} if body is None else body, **kwargs)

    def patiently(self, method: str, path: str, **kwargs: Any) -> Any:
        """For fault tests: repeat with the same idempotency key until the response is final."""
        end = time.monotonic() + TIMEOUT_S
        while True:
            try:
                response = self.http.request(method, path, **kwargs)
                if response.status_code < 500 and response.status_code != 429:
                    return response
            except httpx.HTTPError:
                pass
            assert time.monotonic() < end, f"{method} {path} got no final response in {TIMEOUT_S} s"
            time.sleep(0.3)

    def until(self, path: str, wanted: Callable[[Any], bool], timeout_s: float = TIMEOUT_S) -> Any:
        end = time.monotonic() + timeout_s
        while True:
            found = self.patiently("GET", path).json()
            if wanted(found):
                return found
            assert time.monotonic() < end, f"GET {path} stayed {json.dumps(found)[:1500]}"
            time.sleep(0.1)

    @contextmanager
    def stream(self, path: str) -> Iterator[Sse]:
        sse = Sse(f"{self.gateway}/api/v1{path}", self.token)
        thread = threading.Thread(target=sse._read, daemon=True)
        thread.start()
        try:
            sse.wait(lambda name, _: name == "snapshot")
            yield sse
        finally:
            sse._closing = True


def photograph(width: int = 640, height: int = 360, *, hue: int = 20) -> bytes:
    """A JPEG with detail everywhere, so that a camera move over it is visible."""
    image = Image.new("HSV", (width, height))
    pixels = [
        ((hue + 60 * x // width) % 256, 160, 80 + (x * 3 + y * 5) % 150) for y in range(height) for x in range(width)
    ]
    image.putdata(pixels)
    image = image.convert("RGB")
    draw = ImageDraw.Draw(image)
    for i in range(12):
        x, y = (i * 97) % width, (i * 61) % height
        draw.ellipse((x, y, x + 40, y + 40), fill=((i * 40) % 256, (i * 80) % 256, 255 - (i * 20) % 256))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=90)
    return out.getvalue()
