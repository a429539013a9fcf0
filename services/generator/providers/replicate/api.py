"""Calls of Replicate's API by its own client, with their errors classified. A POST that pays is never repeated."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import httpx
import structlog
import tenacity

from services.generator.providers.base import SubmissionUnknown
from services.generator.providers.replicate import errors
from services.generator.providers.replicate.server_dates import ServerDates, Skew
from services.generator.providers.replicate.settings import ReplicateSettings
from services.generator.providers.replicate.transport import (
    Answer,
    ErrorResponse,
    ForeignHost,
    ReplicateTransport,
    json_of,
)
from shared.core.clock import Clock
from shared.core.errors import RetakeError, Retryable

if TYPE_CHECKING:
    from replicate.client import Client

log = structlog.get_logger(__name__)

READ_ATTEMPTS: Final = 6
DEFAULT_RETRY_AFTER_S: Final = 10.0  # for a throttled request whose response states no delay
MAX_RETRY_AFTER_S: Final = 120.0

Prediction = Mapping[str, Any]
_BACKOFF: Final = tenacity.wait_exponential(multiplier=0.5, max=10.0) + tenacity.wait_random(0, 0.25)


class RequestRefused(Retryable):
    """A request that neither pays nor ends anything was refused: repeating it at once does not help."""


class NotFound(RequestRefused):
    """The API does not know the resource, or no longer does."""


class ReplicateApi:
    """One account. `transport` is for tests.

    `create` is sent once. Every other method may be repeated, so it retries with back-off. They raise a Retryable
    (RequestRefused, NotFound and ProviderThrottled among them) or ProviderHalted; `create` and `upload` also UserError.
    """

    def __init__(
        self, settings: ReplicateSettings, clock: Clock, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._dates = ServerDates(clock)
        self._inner = transport
        self._transport: ReplicateTransport | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def close(self) -> None:
        if self._transport is not None:
            with suppress(RuntimeError):  # its event loop is closed already
                await self._transport.aclose()
            self._transport = None

    async def create(self, model: str, body: Mapping[str, Any]) -> Prediction:
        """Raises SubmissionUnknown if the request may have arrived; any other error means that it did not."""
        try:
            answer = await self._open().call(lambda c: c.predictions.async_create(model=model, **body))
        except ErrorResponse as e:
            if e.response.status_code >= 500:
                raise _unknown(f"Replicate answered {e.response.status_code} to a new prediction.") from e
            raise self._classified(e.response, model) from e
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as e:
            raise errors.unavailable(_words(e)) from e
        except httpx.HTTPError as e:
            raise _unknown(f"Replicate's answer to a new prediction was lost: {_words(e)}") from e
        prediction = answer.json
        if not isinstance(prediction, dict) or not isinstance(prediction.get("id"), str):
            raise _unknown("Replicate's answer to a new prediction could not be read.")
        return prediction

    async def get(self, prediction_id: str) -> Prediction:
        return await self._object(lambda c: c.predictions.async_get(prediction_id))

    async def list(self, page: str | None = None, **filters: str) -> Mapping[str, Any]:
        """A page of the account's predictions: the first one, or `page` by the `next` URL of the one before."""
        return await self._object(lambda c: c.predictions.async_list(page or f"/v1/predictions?{urlencode(filters)}"))

    async def model(self, slug: str) -> Mapping[str, Any]:
        return await self._object(lambda c: c.models.async_get(slug))

    async def cancel(self, prediction_id: str) -> Prediction:
        """Cancelling twice changes nothing."""
        return await self._object(lambda c: c.predictions.async_cancel(prediction_id))

    async def clock_skew(self) -> Skew:
        """Replicate's clock minus ours, by the Date header of an earlier answer.

        If there was none yet, the account's list is asked for; whatever it answers has a date. Zero if none ever has.
        """
        if self._dates.skew is None:
            try:
                await self.list()
            except Retryable:
                if self._dates.skew is None:
                    raise
        return self._dates.skew or Skew(timedelta(0), timedelta(0))

    async def upload(self, name: str, data: bytes, content_type: str) -> str:
        """The URL to use as an input. A file costs nothing and is deleted after a day."""
        try:
            answer = await self._object(
                lambda c: c.files.async_create(io.BytesIO(data), filename=name, content_type=content_type)
            )
        except NotFound:
            raise
        except RequestRefused as e:
            raise errors.input_refused(e.cause) from e
        urls = answer.get("urls")
        url = urls.get("get") if isinstance(urls, dict) else None
        if not isinstance(url, str):
            raise errors.unavailable("an uploaded file got no URL")
        return url

    def _open(self) -> ReplicateTransport:
        """Opened at first use, in the event loop that uses it."""
        loop = asyncio.get_running_loop()
        if self._transport is None or self._loop is not loop:
            self._transport = ReplicateTransport(self._settings, self._dates, self._inner)
            self._loop = loop
        return self._transport

    async def _object(self, request: Callable[[Client], Awaitable[object]]) -> Mapping[str, Any]:
        body = (await self._read(request)).json
        if not isinstance(body, dict):
            raise errors.unavailable("an answer that is not a JSON object")
        return body

    async def _read(self, request: Callable[[Client], Awaitable[object]]) -> Answer:
        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception(lambda e: isinstance(e, Retryable) and not isinstance(e, RequestRefused)),
            stop=tenacity.stop_after_attempt(READ_ATTEMPTS),
            wait=_delay,
            sleep=self._clock.sleep,
            reraise=True,
        )
        try:
            return await retrying(self._read_once, request)
        except ForeignHost as e:
            raise errors.unavailable(f"a page of a list is on another host, {e}") from e

    async def _read_once(self, request: Callable[[Client], Awaitable[object]]) -> Answer:
        try:
            return await self._open().call(request)
        except httpx.HTTPError as e:
            raise errors.unavailable(_words(e)) from e
        except ErrorResponse as e:
            raise self._classified(e.response) from e

    def _classified(self, response: httpx.Response, model: str = "") -> RetakeError:
        """`model` of a new prediction; without it, of a request beside one."""
        status, detail = response.status_code, error_detail(response)
        log.warning("replicate.error", status=status, detail=detail[:300])
        match status:
            case 401:
                error: RetakeError = errors.token_refused()
            case 402:
                error = errors.insufficient_credit(detail, self._settings.pause_s)
            case 404 if model:
                error = errors.model_gone(model, detail)
            case 429:
                error = errors.throttled(detail, self._throttle_s(response))
            case _ if status >= 500:
                error = errors.unavailable(f"{status} {detail}", self._retry_after_s(response))
            case _ if model:
                error = errors.refused(status, detail)
            case _:
                refused = NotFound if status == 404 else RequestRefused
                error = refused("provider_unavailable", f"Replicate answered {status}: {detail}"[:500], errors.LATER)
        return error

    def _throttle_s(self, response: httpx.Response) -> float:
        delay_s = self._retry_after_s(response)
        if delay_s is None:
            body = json_of(response)
            stated = body.get("retry_after") if isinstance(body, dict) else None
            delay_s = float(stated) if isinstance(stated, int | float) else DEFAULT_RETRY_AFTER_S
        return _bounded(delay_s)

    def _retry_after_s(self, response: httpx.Response) -> float | None:
        """Retry-After, which is a number of seconds or a date."""
        value = response.headers.get("retry-after", "")
        try:
            return _bounded(float(value))
        except ValueError:
            pass
        try:
            return _bounded((parsedate_to_datetime(value) - self._clock.now()).total_seconds())
        except (ValueError, TypeError):
            return None


def error_detail(response: httpx.Response) -> str:
    """What an error body says: problem+json, or whatever there is."""
    body = json_of(response)
    if not isinstance(body, dict):
        return response.reason_phrase or "no details"
    detail = str(body.get("detail") or body.get("title") or response.reason_phrase)
    fields = body.get("invalid_fields")
    if isinstance(fields, list):
        named = [f"{f.get('field')}: {f.get('description')}" for f in fields if isinstance(f, dict)]
        detail = " ".join([detail.strip(), *(n for n in named if n.split(": ", 1)[1] not in detail)])
    return detail


def _unknown(cause: str) -> SubmissionUnknown:
    return SubmissionUnknown("provider_unsure", cause, delay_s=1.0)


def _delay(state: tenacity.RetryCallState) -> float:
    """The delay that Replicate asks for, else exponential with jitter."""
    error = state.outcome.exception() if state.outcome else None
    requested_s = error.delay_s if isinstance(error, Retryable) else None
    return requested_s or _BACKOFF(state)


def _bounded(seconds: float) -> float:
    return min(MAX_RETRY_AFTER_S, max(0.0, seconds))


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
