"""Implements `RemoteProvider` with Replicate's API.

A prediction is created once. If the answer is lost, the prediction is looked for in the account's list (`orphans`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import httpx
import structlog

from services.generator.domain.calls import Call, Handle
from services.generator.domain.runs import Lane
from services.generator.providers.base import (
    CallFailed,
    CallRunning,
    CallSucceeded,
    CancelOutcome,
    CandidateFile,
    CandidateRequest,
    Provider,
    ProviderHalted,
)
from services.generator.providers.model_inputs import model_inputs
from services.generator.providers.replicate import errors
from services.generator.providers.replicate.api import NotFound, Prediction, ReplicateApi, RequestRefused
from services.generator.providers.replicate.catalogue_check import compare
from services.generator.providers.replicate.completion import CompletionSignal
from services.generator.providers.replicate.images import InputImages
from services.generator.providers.replicate.orphans import find_prediction
from services.generator.providers.replicate.outputs import OutputDownloads, output_gone, output_url
from services.generator.providers.replicate.settings import ReplicateSettings
from services.generator.providers.replicate.webhooks import webhook_receiver
from shared.contracts.catalogue import Catalogue
from shared.contracts.pricing import FREE, Quote
from shared.contracts.values import AssetKind, Cost
from shared.core.clock import Clock, SystemClock
from shared.core.errors import Retryable

log = structlog.get_logger(__name__)

NAME: Final = "replicate"
GRACE_S: Final = 60.0  # after the deadline at which Replicate itself ends a prediction
POLLS_PER_S: Final = 25.0  # half of the 3,000 requests a minute that Replicate allows
_METRIC: Final = {
    "second": "video_output_duration_seconds",
    "image": "image_output_count",
    "thousand_characters": "character_input_count",
}
_PERCENT: Final = re.compile(r"(\d{1,3})(?:\.\d+)?%")


@dataclass(frozen=True)
class _Prepared:
    body: dict[str, Any]
    request: dict[str, Any]
    at: float


def provider() -> Provider:
    settings, completion, clock = ReplicateSettings(), CompletionSignal(), SystemClock()
    remote = ReplicateProvider(settings, completion=completion, clock=clock)
    return Provider(
        lane,
        remote=remote,
        compare=remote.compare,
        webhook=webhook_receiver(settings.webhook_secrets, completion.set, clock),
    )


def lane(kind: AssetKind) -> Lane:
    return Lane.CALL


class ReplicateProvider:
    """`transport` is for tests."""

    def __init__(
        self,
        settings: ReplicateSettings,
        *,
        completion: CompletionSignal | None = None,
        clock: Clock | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._completion = completion or CompletionSignal()
        self._api = ReplicateApi(settings, self._clock, transport)
        self._images = InputImages(self._api.upload, self._clock)
        self._downloads = OutputDownloads(settings, self._clock, transport)
        self._prepared: dict[tuple[str, int], _Prepared] = {}
        self._polls: dict[str, int] = {}

    async def close(self) -> None:
        await self._api.close()

    async def compare(self, catalogue: Catalogue) -> dict[str, list[str]]:
        """Where the catalogue's models differ from what Replicate publishes; logged. Empty without a token."""
        if not self._settings.token:
            return {}
        return await compare(self._api, [m for m in catalogue if m.provider == NAME])

    async def prepare(self, request: CandidateRequest) -> Mapping[str, Any]:
        if not self._settings.token:
            raise errors.token_missing()
        inputs = model_inputs(request)
        values = dict(inputs.plain)
        if inputs.image:
            assert request.starting_image is not None
            values[inputs.image] = await self._images.url(request.starting_image, request.frame)
        if inputs.references:
            values[inputs.references] = [await self._images.reference_url(r) for r in request.references]
        recognisable = {
            "model": request.model.slug,
            "input": inputs.plain,
            "price": request.quote and request.quote.stored(),
            "attempt": request.attempt,
        }
        self._forget_late()
        prepared = _Prepared({"input": values}, recognisable, self._clock.monotonic())
        self._prepared[request.run_id, request.position] = prepared
        return recognisable

    async def submit(self, call_id: str, request: CandidateRequest) -> Handle:
        prepared = self._prepared.pop((request.run_id, request.position), None)
        if prepared is None or self._clock.monotonic() - prepared.at > self._late_s:
            # Another worker may have concluded by now that this call never arrived.
            raise Retryable("provider_late", "The call was delayed for too long to be sent.", delay_s=0.0)
        body = dict(prepared.body)
        if self._settings.webhook_url:
            body["webhook"] = f"{self._settings.webhook_url}?call={quote(call_id)}"
            body["webhook_events_filter"] = ["completed"]
        return self._handle(await self._api.create(request.model.slug, body), prepared.request)

    def _forget_late(self) -> None:
        """Drops what was prepared but never submitted, because its run was fenced."""
        oldest = self._clock.monotonic() - self._late_s
        self._prepared = {key: p for key, p in self._prepared.items() if p.at >= oldest}

    @property
    def _late_s(self) -> float:
        return (self._settings.settle_s - self._settings.request_s) / 2

    def _handle(self, prediction: Prediction, request: Mapping[str, Any]) -> Handle:
        give_up = self._clock.now() + timedelta(seconds=self._settings.cancel_after_s + GRACE_S)
        return {
            "id": prediction["id"],
            "model": request.get("model"),
            "price": request.get("price"),
            "attempt": request.get("attempt", 1),
            "give_up_at": give_up.isoformat(),
        }

    def handle_of(self, provider_ref: str, prepared: Mapping[str, Any]) -> Handle:
        return self._handle({"id": provider_ref}, prepared)

    async def poll(self, handle: Handle) -> CallRunning | CallSucceeded | CallFailed:
        prediction_id = str(handle["id"])
        polls = self._polls.get(prediction_id, 0)
        if polls:
            await self._completion.wait(prediction_id, self._pause_s(polls))
        self._polls[prediction_id] = polls + 1
        try:
            prediction = await self._api.get(prediction_id)
        except NotFound:
            if not self._is_overdue(handle):
                raise  # it was created: a proxy or a replica that does not know it yet says nothing about it
            self._polls.pop(prediction_id, None)
            return CallFailed(output_gone("Replicate no longer knows the prediction"), _unknown_cost(handle))
        status = _status(handle, prediction)
        if isinstance(status, CallRunning) and self._is_overdue(handle):
            await self.cancel(handle)
            status = CallFailed(_timeout(), _unknown_cost(handle), cancelled=True)
        if not isinstance(status, CallRunning):
            self._polls.pop(prediction_id, None)
        return status

    def _is_overdue(self, handle: Handle) -> bool:
        return self._clock.now() > datetime.fromisoformat(handle["give_up_at"])

    def _pause_s(self, polls: int) -> float:
        """Longer for predictions that take long, and while many are polled."""
        return max(self._settings.poll_s * min(3.0, 1 + polls / 20), len(self._polls) / POLLS_PER_S)

    async def fetch(self, request: CandidateRequest, result: CallSucceeded, work: Path) -> CandidateFile:
        path, content_type = await self._downloads.fetch(result.output["url"], request.kind, work)
        info: dict[str, Any] = {"provider_ref": result.output["id"]}
        if not request.model.takes_seed and request.kind is not AssetKind.NARRATION:
            info["seed_reason"] = f"{request.model.title} takes no seed."
        return CandidateFile(path, content_type, result.cost, info)

    async def cancel(self, handle: Handle) -> CancelOutcome:
        try:
            prediction = await self._api.cancel(str(handle["id"]))
        except (RequestRefused, ProviderHalted) as e:  # its own deadline ends it; polling tells how it ended
            log.warning("call.not_cancelled", code=e.code, cause=e.cause)
            return CancelOutcome.UNKNOWN
        self._completion.set(str(handle["id"]))
        ended = prediction.get("status") in ("succeeded", "failed")
        return CancelOutcome.TOO_LATE if ended else CancelOutcome.ACCEPTED

    async def find_orphan(self, call: Call, others: Sequence[Call]) -> Handle | None:
        if not self._settings.token:
            raise Retryable("provider_token_missing", errors.token_missing().cause, delay_s=60.0)
        prediction = await find_prediction(self._api, self._settings, self._clock, call, others)
        return None if prediction is None else self._handle(prediction, call.request or {})


def _status(handle: Handle, prediction: Prediction) -> CallRunning | CallSucceeded | CallFailed:
    """`aborted` is missing from the client's models; an unknown status counts as running until the deadline."""
    match prediction.get("status"):
        case "succeeded" if url := output_url(prediction.get("output")):
            return CallSucceeded({"url": url, "id": handle["id"]}, _cost(handle, prediction))
        case "succeeded" if prediction.get("data_removed"):
            return CallFailed(output_gone("Replicate has removed it"), _cost(handle, prediction))
        case "succeeded":
            return CallFailed(_output_missing(), _cost(handle, prediction))
        case "failed":
            attempt = int(handle.get("attempt", 1))
            return CallFailed(errors.prediction_failed(_text(prediction.get("error")), attempt), FREE)
        case "aborted":
            cause = "Replicate did not start the prediction in time."
            return CallFailed(Retryable("provider_aborted", cause, errors.LATER), FREE)
        case "canceled":
            counted = _counted(handle, prediction)
            cost = _unknown_cost(handle) if counted is None else _cost(handle, prediction)
            return CallFailed(_cancelled(prediction), cost, cancelled=True)
        case _:
            return CallRunning(_share(prediction), poll_after_s=0.0)


def _cost(handle: Handle, prediction: Prediction) -> Cost:
    """The prediction's metrics times the price: an estimate, because Replicate has no billing API."""
    if not handle.get("price"):
        return FREE
    return Quote.restored(handle["price"]).cost(_counted(handle, prediction))


def _counted(handle: Handle, prediction: Prediction) -> float | None:
    """How many units Replicate says that it made; None if it does not say."""
    unit, metrics = (handle.get("price") or {}).get("unit", ""), prediction.get("metrics")
    counted = metrics.get(_METRIC.get(unit, "")) if isinstance(metrics, dict) else None
    return counted if isinstance(counted, int | float) and not isinstance(counted, bool) else None


def _unknown_cost(handle: Handle) -> Cost | None:
    """Of a prediction that began and did not finish: "you may still be charged" (replicate.com/docs/topics/billing)."""
    return None if handle.get("price") else FREE


def _text(error: Any) -> str:
    return error if isinstance(error, str) else str(error or "no reason given")


def _share(prediction: Prediction) -> float | None:
    percentages = _PERCENT.findall(str(prediction.get("logs") or "")[-500:])
    return min(1.0, int(percentages[-1]) / 100) if percentages else None


def _timeout() -> errors.RetryableByUser:
    return errors.RetryableByUser(
        "provider_timeout",
        "The model did not finish in time.",
        "Regenerate, perhaps with a shorter duration or another model.",
    )


def _output_missing() -> errors.RetryableByUser:
    return errors.RetryableByUser(
        "output_missing", "The model finished without an output.", "Regenerate, or choose another model."
    )


def _cancelled(prediction: Prediction) -> errors.RetryableByUser:
    """By a person, or by its own deadline after it had started."""
    ended, deadline = prediction.get("completed_at"), prediction.get("deadline")
    try:
        late = bool(ended and deadline) and datetime.fromisoformat(str(ended)) >= datetime.fromisoformat(str(deadline))
    except (ValueError, TypeError):
        late = False
    if late:
        return _timeout()
    return errors.RetryableByUser(
        "provider_cancelled", "The prediction was cancelled.", "Regenerate when you are ready."
    )
