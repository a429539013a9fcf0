"""Requests to Replicate's API, their answers classed. Never repeats a POST that creates a prediction."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx
import structlog

from services.generator.providers.base import Unsure
from services.generator.providers.replicate import problems
from services.generator.providers.replicate.settings import ReplicateSettings
from shared.core.clock import Clock
from shared.core.errors import RetakeError

log = structlog.get_logger(__name__)

CONNECT_S: Final = 10.0
READ_TRIES: Final = 6
RETRY_AFTER: Final = 10.0  # where a throttle names no time
RETRY_AFTER_MOST: Final = 120.0

Prediction = Mapping[str, Any]


class Api:
    """One account. `transport` is for tests."""

    def __init__(
        self, settings: ReplicateSettings, clock: Clock, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._transport = transport
        self._client: httpx.AsyncClient | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def client(self) -> httpx.AsyncClient:
        """Opened at first use, in the loop that uses it."""
        loop = asyncio.get_running_loop()
        if self._client is None or self._loop is not loop:
            self._loop = loop
            self._client = httpx.AsyncClient(
                base_url=self._settings.api,
                transport=self._transport,
                follow_redirects=False,
                trust_env=not self._settings.is_local,
                headers={"Authorization": f"Bearer {self._settings.token}", "User-Agent": "Retake"},
                timeout=httpx.Timeout(self._settings.request_s, connect=CONNECT_S),
                limits=httpx.Limits(max_connections=32, max_keepalive_connections=8),
            )
        return self._client

    async def close(self) -> None:
        if self._client is not None:
            with suppress(RuntimeError):  # its loop is closed already
                await self._client.aclose()
            self._client = None

    async def create(self, model: str, body: Mapping[str, Any]) -> Prediction:
        """Sent once. Raises Unsure if it may have arrived; any other error means that it did not."""
        headers = {"Cancel-After": f"{self._settings.cancel_after_s}s"}
        try:
            response = await self.client().post(f"models/{model}/predictions", json=body, headers=headers)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as e:
            raise problems.unavailable(_words(e)) from e
        except httpx.HTTPError as e:
            raise Unsure(
                "provider_unsure", f"Replicate's answer to a new prediction was lost: {_words(e)}", delay_s=1.0
            ) from e
        if response.status_code >= 500:
            raise Unsure(
                "provider_unsure", f"Replicate answered {response.status_code} to a new prediction.", delay_s=1.0
            )
        if response.status_code >= 300:
            raise self._refusal(response, model)
        found = _json(response)
        if not isinstance(found, dict) or not isinstance(found.get("id"), str):
            raise Unsure("provider_unsure", "Replicate's answer to a new prediction could not be read.", delay_s=1.0)
        return found

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        """A reading request, repeated with backoff. `path` may be a whole URL of the API's own host.

        Raises httpx.HTTPStatusError for 404 only, else classed errors.
        """
        return await self._patient("GET", path, params=params)

    async def cancel(self, prediction_id: str) -> Any:
        """May be repeated: cancelling twice changes nothing. Raises like `get`."""
        return await self._patient("POST", f"predictions/{prediction_id}/cancel")

    async def skew(self) -> timedelta:
        """Their clock minus ours, by the Date of an answer."""
        sent = self._clock.now()
        response = await self._send("GET", "account")
        try:
            theirs = parsedate_to_datetime(response.headers.get("date", ""))
        except (ValueError, TypeError):
            return timedelta(0)
        return theirs - sent.replace(microsecond=0)

    async def upload(self, name: str, data: bytes, content_type: str) -> str:
        """The URL to give as input. May be repeated: files cost nothing and are gone after a day."""
        answer = await self._patient("POST", "files", files={"content": (name, data, content_type)})
        url = answer.get("urls", {}).get("get") if isinstance(answer, dict) else None
        if not isinstance(url, str):
            raise problems.unavailable("an uploaded file got no address")
        return url

    async def _patient(self, method: str, path: str, **args: Any) -> Any:
        found = _json(await self._send(method, path, **args))
        if found is None:
            raise problems.unavailable("an answer that is no JSON")
        return found

    async def _send(self, method: str, path: str, **args: Any) -> httpx.Response:
        if path.startswith("http"):
            self._check_own(path)
        error: RetakeError | None = None
        for number in range(READ_TRIES):
            if error is not None:
                delay = getattr(error, "delay_s", None) or min(10.0, 0.25 * 2.0**number)
                await self._clock.sleep(delay)
            try:
                response = await self.client().request(method, path, **args)
            except httpx.HTTPError as e:
                error = problems.unavailable(_words(e))
                continue
            if response.status_code == 429 or response.status_code >= 500:
                error = self._refusal(response, "")
                continue
            if response.status_code == 404:
                response.raise_for_status()
            if response.status_code >= 300:
                raise self._refusal(response, "")
            return response
        assert error is not None
        raise error

    def _check_own(self, url: str) -> None:
        """The token goes nowhere but to the API's own host."""
        if httpx.URL(url).netloc != httpx.URL(self._settings.api).netloc:
            raise problems.unavailable("a page of a list is on another host")

    def _refusal(self, response: httpx.Response, model: str) -> RetakeError:
        status, detail = response.status_code, detail_of(response)
        log.warning("replicate.refused", status=status, detail=detail[:300])
        match status:
            case 401:
                error: RetakeError = problems.token_refused()
            case 402:
                error = problems.credit_spent(detail, self._settings.pause_s)
            case 404 if model:
                error = problems.model_gone(model, detail)
            case 429:
                error = problems.throttled(detail, self._retry_after(response))
            case _ if status >= 500:
                error = problems.unavailable(f"{status} {detail}", self._asked(response))
            case _:
                error = problems.refused(status, detail)
        return error

    def _retry_after(self, response: httpx.Response) -> float:
        asked = self._asked(response)
        if asked is None:
            body = _json(response)
            stated = body.get("retry_after") if isinstance(body, dict) else None
            asked = float(stated) if isinstance(stated, int | float) else RETRY_AFTER
        return min(RETRY_AFTER_MOST, max(0.0, asked))

    def _asked(self, response: httpx.Response) -> float | None:
        """Retry-After as seconds or as a date."""
        value = response.headers.get("retry-after", "")
        try:
            return min(RETRY_AFTER_MOST, max(0.0, float(value)))
        except ValueError:
            pass
        try:
            until = (parsedate_to_datetime(value) - self._clock.now()).total_seconds()
        except (ValueError, TypeError):
            return None
        return min(RETRY_AFTER_MOST, max(0.0, until))


def detail_of(response: httpx.Response) -> str:
    """What an error body says: problem+json, or whatever else there is."""
    body = _json(response)
    if not isinstance(body, dict):
        return response.reason_phrase or "no details"
    said = str(body.get("detail") or body.get("title") or response.reason_phrase)
    fields = body.get("invalid_fields")
    if isinstance(fields, list):
        named = [f"{f.get('field')}: {f.get('description')}" for f in fields if isinstance(f, dict)]
        extra = [n for n in named if n.split(": ", 1)[1] not in said]
        said = " ".join([said.strip(), *extra])
    return said


def _json(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return None


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
