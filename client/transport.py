"""One request to the gateway: authorised, repeated where that is safe, its refusal made an exception."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from client.credentials import Credentials
from client.errors import BadAnswer, ProblemError, Unauthenticated, Unreachable

API = "/api/v1"
Body = Callable[[], AsyncIterator[bytes]]
"""Opens the bytes anew for each attempt."""


@dataclass(frozen=True)
class Retry:
    """How often and how patiently a request is repeated. Times in seconds."""

    attempts: int = 5
    first_delay_s: float = 0.25
    longest_delay_s: float = 8.0
    longest_wait_s: float = 60.0  # a Retry-After beyond this is reported instead of waited for

    def delay_s(self, attempt: int, asked_s: float | None, draw: Callable[[], float]) -> float:
        """Full jitter, so that clients refused together do not come back together; never before `asked_s`."""
        backoff = min(self.longest_delay_s, self.first_delay_s * 2.0**attempt)
        return (asked_s or 0.0) + backoff * (0.5 + draw() / 2)


DEFAULT_RETRY = Retry()


@dataclass(frozen=True)
class Request:
    """`path` is below /api/v1, or `at_root`. A POST carries `key`, by which the gateway recognises its repetition."""

    method: str
    path: str
    params: Mapping[str, Any] | None = None
    json: Any = None
    body: Body | None = None
    headers: Mapping[str, str] | None = None
    key: str | None = None
    timeout_s: float = 30.0
    at_root: bool = False  # outside /api/v1
    also: tuple[int, ...] = ()  # statuses that are answers here, not refusals

    @property
    def repeatable(self) -> bool:
        """Whether it may be sent again although the first sending may have had its effect."""
        return self.method in ("GET", "HEAD") or self.key is not None


class Transport:
    """Owns the HTTP connections to one gateway."""

    def __init__(
        self,
        url: str,
        credentials: Credentials,
        *,
        retry: Retry = DEFAULT_RETRY,
        http: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.url = url.rstrip("/").removesuffix(API)
        self.sleep = sleep
        self.draw = draw
        self.credentials = credentials
        self._retry = retry
        self._http = httpx.AsyncClient(
            base_url=self.url,
            transport=http,
            timeout=httpx.Timeout(30.0, connect=5.0),
            # A proxy from the environment must not see what is sent to this machine.
            trust_env=not is_loopback(self.url),
            headers={"User-Agent": "retake-client"},
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def send(self, request: Request) -> httpx.Response:
        """Send, repeat as `Retry` says, and return a successful answer.

        Raises the ProblemError of a refusal, Unreachable when no answer comes.
        """
        attempt, renewed = 0, False
        while True:
            try:
                response = await self._once(request)
                if response.is_success or response.status_code in request.also:
                    return response
                problem = problem_of(response)
            except httpx.TransportError as e:
                if attempt + 1 >= self._retry.attempts or not _may_repeat(request, e):
                    raise self.unreachable(e) from e
                asked = None
            else:
                if isinstance(problem, Unauthenticated) and not renewed and await self._renew():
                    renewed = True
                    continue
                asked = problem.retry_after_s
                if not self._worth_repeating(request, problem, attempt):
                    raise problem
            await self.sleep(self._retry.delay_s(attempt, asked, self.draw))
            attempt += 1

    @asynccontextmanager
    async def stream(
        self, url: str, *, headers: Mapping[str, str], read_timeout_s: float, authorised: bool = True
    ) -> AsyncIterator[httpx.Response]:
        """Open a streaming GET, once.

        Raises the ProblemError of a refusal, httpx.TransportError when the connection is lost.
        """
        sent = {**headers, **(await self._authorization() if authorised else {})}
        timeout = httpx.Timeout(read_timeout_s, connect=5.0)
        async with self._http.stream("GET", url, headers=sent, timeout=timeout) as response:
            if not response.is_success:
                await response.aread()
                raise problem_of(response)
            yield response

    async def _renew(self) -> bool:
        return await self.credentials.renew(self._http)

    async def renew(self) -> bool:
        """Get a new token if there is a way; False if the present one is all there is."""
        return await self._renew()

    def unreachable(self, cause: Exception) -> Unreachable:
        reason = str(cause) or type(cause).__name__
        return Unreachable(
            f"No answer from {self.url}: {reason}.",
            "Check `retake status`, or start it with `retake up`."
            if is_loopback(self.url)
            else "Check the address and the network.",
        )

    async def _once(self, request: Request) -> httpx.Response:
        headers = {"Accept": "application/json", **await self._authorization(), **(request.headers or {})}
        if request.key is not None:
            headers["Idempotency-Key"] = request.key
        return await self._http.request(
            request.method,
            request.path if request.at_root else API + request.path,
            params={k: v for k, v in (request.params or {}).items() if v is not None},
            json=request.json,
            content=request.body() if request.body else None,
            headers=headers,
            timeout=httpx.Timeout(request.timeout_s, connect=5.0),
        )

    async def _authorization(self) -> dict[str, str]:
        token = self.credentials.token or (self.credentials.token if await self._renew() else None)
        return {"Authorization": f"Bearer {token}"} if token else {}

    def _worth_repeating(self, request: Request, problem: ProblemError, attempt: int) -> bool:
        if attempt + 1 >= self._retry.attempts or (problem.retry_after_s or 0) > self._retry.longest_wait_s:
            return False
        if problem.type.endswith("/idempotency-in-flight"):
            return True
        # 429 and 503 had no effect; a 500 may have had one, which the key or the method makes harmless.
        return problem.status in (429, 503) or (problem.status >= 500 and request.repeatable)


def new_key() -> str:
    return str(uuid.uuid4())


def is_loopback(url: str) -> bool:
    return httpx.URL(url).host in ("localhost", "127.0.0.1", "::1")


def problem_of(response: httpx.Response) -> ProblemError:
    """The refusal in a read response, also when something between us and the gateway wrote it."""
    try:
        problem = response.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        problem = {"title": response.reason_phrase or "No reason given", "detail": _plain(response)}
    return ProblemError.of(response.status_code, problem, retry_after_s=_retry_after(response))


def json_of(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError as e:
        raise BadAnswer(f"{response.url.host} did not answer like a Retake gateway.", "Check the address.") from e


def _may_repeat(request: Request, error: httpx.TransportError) -> bool:
    never_sent = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
    return never_sent or request.repeatable


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds. The gateway sends a number; a date, from something between, counts as not given."""
    try:
        return max(0.0, float(response.headers["Retry-After"]))
    except (KeyError, ValueError):
        return None


def _plain(response: httpx.Response) -> str:
    return f"HTTP {response.status_code} from {response.url.host}: {response.text[:200].strip()}".rstrip(": ")
