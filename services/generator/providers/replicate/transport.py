"""The transport under Replicate's client: the client builds requests, and what a paid call depends on is decided here.

Every request has a timeout, no prediction is created without `Cancel-After`, and the token is sent to the API's own
host only. A response that is not a success is raised as `ErrorResponse`, before the client can repeat the request or
lose what the response says. The raw answer is kept, so it does not matter whether the client's models can parse it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import httpx
import structlog

from services.generator.providers.replicate.server_dates import ServerDates
from services.generator.providers.replicate.settings import ReplicateSettings

if TYPE_CHECKING:
    from replicate.client import Client

log = structlog.get_logger(__name__)

CONNECT_S: Final = 10.0
MAX_CONNECTIONS: Final = 32


@dataclass
class Answer:
    """The successful response to one request. `json` is None for a body that is not JSON."""

    received: bool = False
    json: Any = None


class ErrorResponse(Exception):
    """A response that is not a success: a redirect, a client error or a server error."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__(f"Replicate answered {response.status_code}")
        self.response = response


class ForeignHost(Exception):
    """The request would take the token to a host that is not the API's."""


class ReplicateTransport(httpx.AsyncBaseTransport):
    """One account in one event loop. `transport` is for tests."""

    def __init__(
        self, settings: ReplicateSettings, dates: ServerDates, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._dates = dates
        self._own_host = httpx.URL(settings.api_url).netloc
        self._cancel_after = f"{settings.cancel_after_s}s"
        self._timeout = httpx.Timeout(settings.request_s, connect=CONNECT_S).as_dict()
        self._client = _client(settings, self)
        # A client, not a bare transport, because only clients use the environment's proxies.
        self._http = httpx.AsyncClient(
            transport=transport,
            follow_redirects=False,
            trust_env=not settings.is_local,
            limits=httpx.Limits(max_connections=MAX_CONNECTIONS, max_keepalive_connections=8),
        )

    async def call(self, request: Callable[[Client], Awaitable[object]]) -> Answer:
        """Raises ErrorResponse, ForeignHost, or httpx.HTTPError for a request that was not answered."""
        answer = Answer()
        token = _answer.set(answer)
        try:
            await request(self._client)
        except Exception as e:
            if not answer.received:
                raise
            log.info("replicate.answer_not_parsed", error=repr(e)[:300])
        finally:
            _answer.reset(token)
        return answer

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.netloc != self._own_host:
            raise ForeignHost(request.url.host)
        request.extensions["timeout"] = self._timeout  # the client creates predictions and files without a timeout
        if request.method == "POST" and request.url.path.endswith("/predictions"):
            request.headers["Cancel-After"] = self._cancel_after
        sent_at = self._dates.now()
        response = await self._http.send(request)
        self._dates.record(sent_at, response.headers.get("date", ""))
        if not response.is_success:
            raise ErrorResponse(response)
        answer = _answer.get()
        answer.received, answer.json = True, json_of(response)
        return httpx.Response(response.status_code, content=response.content)

    async def aclose(self) -> None:
        await self._http.aclose()


_answer: Final[ContextVar[Answer]] = ContextVar("answer")


def _client(settings: ReplicateSettings, transport: httpx.AsyncBaseTransport) -> Client:
    from replicate.client import Client  # 17 MB and 0.15 s that only an account with a token needs

    return Client(
        settings.token or "",
        base_url=settings.api_url,
        transport=transport,
        trust_env=False,
        headers={"Authorization": f"Bearer {settings.token}", "User-Agent": "Retake"},
    )


def json_of(response: httpx.Response) -> Any:
    """None for a body that is not JSON."""
    try:
        return response.json()
    except ValueError:
        return None
