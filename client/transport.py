"""Requests to the gateway: authorised, repeated where that is safe, with refusals as exceptions."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from client.credentials import Credentials
from client.errors import BadResponse, IdempotencyInFlight, ProblemError, Unauthenticated, Unreachable
from client.retry import RetryPolicy, Timing

API = "/api/v1"
Body = Callable[[], AsyncIterator[bytes]]
"""Opens the body; called for each attempt."""


DEFAULT_RETRY = RetryPolicy()


@dataclass(frozen=True)
class Request:
    """`path` is relative to /api/v1, or to the root with `at_root`, where it may also be a whole URL. `key` is the
    idempotency key of a POST."""

    method: str
    path: str
    params: Mapping[str, Any] | None = None
    json: Any = None
    body: Body | None = None
    headers: Mapping[str, str] | None = None
    key: str | None = None
    timeout_s: float = 30.0
    at_root: bool = False
    authorised: bool = True
    accepted_statuses: tuple[int, ...] = ()  # besides 2xx

    @property
    def repeatable(self) -> bool:
        """Whether it may be sent again although the first attempt may have taken effect."""
        return self.method in ("GET", "HEAD") or self.key is not None


class Transport:
    """The HTTP connections to one gateway."""

    def __init__(
        self,
        url: str,
        credentials: Credentials,
        *,
        retry: RetryPolicy = DEFAULT_RETRY,
        http: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        draw: Callable[[], float] = random.random,
        operations_url: str | None = None,
    ) -> None:
        self.url = url.rstrip("/").removesuffix(API)
        self.operations_url = operations_url.rstrip("/") if operations_url else None
        self.timing = Timing(sleep, draw)
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
        """Send a request, repeat it as the retry policy says, and return the successful response.

        Raises the ProblemError of a refusal, and Unreachable without a response.
        """
        retrying = self._retry.retrying(self.timing, lambda error: _may_repeat(request, error))
        try:
            return await retrying(self._send_authorised, request)
        except httpx.TransportError as e:
            raise self.unreachable(e) from e

    @asynccontextmanager
    async def stream(
        self,
        url: str,
        *,
        headers: Mapping[str, str],
        read_timeout_s: float,
        authorised: bool = True,
        follow_redirect: bool = False,
    ) -> AsyncIterator[httpx.Response]:
        """Open a streaming GET, without retries. `follow_redirect` follows one redirect, to the object store, with the
        same headers and without the token.

        Raises the ProblemError of a refusal, BadResponse for a redirect that is no link, and httpx.TransportError when
        the connection is lost.
        """
        token = await self._authorization() if authorised else {}
        timeout = httpx.Timeout(read_timeout_s, connect=5.0)
        async with AsyncExitStack() as opened:
            try:
                response = await opened.enter_async_context(
                    self._http.stream("GET", url, headers={**headers, **token}, timeout=timeout)
                )
            except httpx.InvalidURL as e:  # httpx parses the Location of a redirect
                raise BadResponse(f"The answer of {self.url} redirects to what is no web address: {e}", "") from e
            if follow_redirect and response.has_redirect_location:
                target = _redirect_target(response)
                await response.aclose()
                response = await opened.enter_async_context(
                    self._http.stream("GET", target, headers=headers, timeout=timeout)
                )
            if not response.is_success:
                await response.aread()
                raise problem_of(response)
            yield response

    async def renew(self) -> bool:
        """Get a new token. False if that is not possible."""
        return await self.credentials.renew(self._http)

    def unreachable(self, cause: Exception) -> Unreachable:
        reason = str(cause) or type(cause).__name__
        return Unreachable(
            f"No answer from {self.url}: {reason}.",
            "Check it with `retake status`, or start it with `retake up`."
            if is_loopback(self.url)
            else "Check the address and the network.",
        )

    async def _send_authorised(self, request: Request) -> httpx.Response:
        """One attempt. A refused token is renewed once."""
        try:
            return await self._send_once(request)
        except Unauthenticated:
            if not await self.renew():
                raise
            return await self._send_once(request)

    async def _send_once(self, request: Request) -> httpx.Response:
        token = await self._authorization() if request.authorised else {}
        headers = {"Accept": "application/json", **token, **(request.headers or {})}
        if request.key is not None:
            headers["Idempotency-Key"] = request.key
        response = await self._http.request(
            request.method,
            request.path if request.at_root else API + request.path,
            params={k: v for k, v in (request.params or {}).items() if v is not None},
            json=request.json,
            content=request.body() if request.body else None,
            headers=headers,
            timeout=httpx.Timeout(request.timeout_s, connect=5.0),
        )
        if response.is_success or response.status_code in request.accepted_statuses:
            return response
        raise problem_of(response)

    async def _authorization(self) -> dict[str, str]:
        token = self.credentials.token or (self.credentials.token if await self.renew() else None)
        return {"Authorization": f"Bearer {token}"} if token else {}


def new_key() -> str:
    return str(uuid.uuid4())


def is_loopback(url: str) -> bool:
    return httpx.URL(url).host in ("localhost", "127.0.0.1", "::1")


def problem_of(response: httpx.Response) -> ProblemError:
    """The refusal in a response that was read, also if a proxy wrote it."""
    try:
        problem = response.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        problem = {"title": response.reason_phrase or f"HTTP {response.status_code}", "detail": _summary(response)}
    return ProblemError.of(response.status_code, problem, retry_after_s=_retry_after(response))


def json_of(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError as e:
        raise BadResponse(f"{response.url.host} did not respond like a Retake gateway.", "Check the address.") from e


def _redirect_target(response: httpx.Response) -> httpx.URL:
    target = response.url.join(response.headers["Location"])
    if target.scheme not in ("http", "https"):
        raise BadResponse(f"{response.url.host} redirects to {str(target)[:200]!r}, which is no web address.", "")
    return target


def _may_repeat(request: Request, error: BaseException) -> bool:
    match error:
        case httpx.ConnectError() | httpx.ConnectTimeout() | httpx.PoolTimeout():
            return True  # it was never sent
        case httpx.TransportError():
            return request.repeatable
        case IdempotencyInFlight():
            return True
        case ProblemError(status=429 | 503):
            return True  # refused before it had any effect
        case ProblemError(status=status):
            return status >= 500 and request.repeatable
        case _:
            return False


def _retry_after(response: httpx.Response) -> float | None:
    """In seconds. The gateway sends a number; a date, from a proxy, is ignored."""
    try:
        return max(0.0, float(response.headers["Retry-After"]))
    except (KeyError, ValueError):
        return None


def _summary(response: httpx.Response) -> str:
    return f"HTTP {response.status_code} from {response.url.host}: {response.text[:200].strip()}".rstrip(": ")
