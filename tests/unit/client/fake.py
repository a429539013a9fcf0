"""A fake gateway for the tests of the client: it gives scripted responses and records the requests."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import httpx

from client.api import AsyncRetake

URL = "http://127.0.0.1:8080"
Answer = httpx.Response | Exception
Handler = Callable[[httpx.Request], Answer]


class Gateway(httpx.AsyncBaseTransport):
    """Gives the scripted responses in turn; after them, `then` responds to every request."""

    def __init__(self, *answers: Answer, then: Handler | None = None) -> None:
        self.answers = list(answers)
        self.then = then
        self.requests: list[httpx.Request] = []
        self.slept: list[float] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.requests.append(request)
        if self.answers:
            answer: Answer = self.answers.pop(0)
        elif self.then:
            answer = self.then(request)
        else:
            raise AssertionError(f"unexpected request: {request.method} {request.url}")
        if isinstance(answer, Exception):
            raise answer
        return answer

    def client(self, token: str | None = "token", url: str = URL, **options: Any) -> AsyncRetake:
        async def sleep(seconds: float) -> None:
            self.slept.append(seconds)

        return AsyncRetake(url, token, http=self, sleep=sleep, draw=lambda: 0.0, **options)

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(r.content) for r in self.requests if r.content]


def ok(body: Any, status: int = 200, **headers: str) -> httpx.Response:
    return httpx.Response(status, json=body, headers=headers)


def refusal(status: int, slug: str, *, after: float | None = None, **more: Any) -> httpx.Response:
    body = {"type": f"/problems/{slug}", "title": slug, "status": status, "detail": f"it is {slug}",
            "recovery": "do this", **more}  # fmt: skip
    headers = {"content-type": "application/problem+json"}
    if after is not None:
        headers["Retry-After"] = str(after)
    return httpx.Response(status, content=json.dumps(body), headers=headers)


class Frames(httpx.AsyncByteStream):
    """A response body in chunks; an exception among them breaks the connection."""

    def __init__(self, pieces: Iterable[bytes | Exception]) -> None:
        self._pieces = list(pieces)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece


def stream(*pieces: str | Exception) -> httpx.Response:
    frames = Frames(p.encode() if isinstance(p, str) else p for p in pieces)
    return httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=frames)


def frame(name: str, data: Any, place: str | None = None) -> str:
    head = f"id: {place}\n" if place else ""
    return f"{head}event: {name}\ndata: {json.dumps(data)}\n\n"
