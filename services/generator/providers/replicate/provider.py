"""Implements `RemoteProvider` with Replicate's HTTP API.

A prediction is created once: an answer that never came is looked for in the account's list, by the call's id where the
list shows webhooks, else by model and exact input within the time that the request was under way.
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

from services.generator.commands.ports import Made, Order
from services.generator.domain.pricing import FREE, Quote
from services.generator.domain.runs import Lane
from services.generator.providers.base import Call, Cancelled, Handle, Running, Stopped, Succeeded
from services.generator.providers.replicate import problems
from services.generator.providers.replicate.api import Api, Prediction
from services.generator.providers.replicate.bell import Bell
from services.generator.providers.replicate.images import Images
from services.generator.providers.replicate.inputs import inputs_of
from services.generator.providers.replicate.orphans import find
from services.generator.providers.replicate.outputs import Outputs, gone, url_in
from services.generator.providers.replicate.published import compare
from services.generator.providers.replicate.settings import NAME, ReplicateSettings
from shared.contracts.catalogue import Catalogue
from shared.contracts.values import AssetKind, Cost
from shared.core.clock import Clock, SystemClock
from shared.core.errors import Retryable

log = structlog.get_logger(__name__)

GRACE_S: Final = 60.0  # Replicate ends a prediction at its deadline; a little later we do
READS_PER_S: Final = 25.0  # half of the 3,000 a minute that Replicate allows
_METRIC: Final = {
    "second": "video_output_duration_seconds",
    "image": "image_output_count",
    "thousand_characters": "character_input_count",
}
_PERCENT: Final = re.compile(r"(\d{1,3})(?:\.\d+)?%")


def lane(kind: AssetKind) -> Lane:
    return Lane.CALL


@dataclass(frozen=True)
class _Prepared:
    body: dict[str, Any]
    request: dict[str, Any]
    at: float


class ReplicateProvider:
    def __init__(
        self,
        settings: ReplicateSettings,
        *,
        bell: Bell | None = None,
        clock: Clock | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._bell = bell or Bell()
        self._api = Api(settings, self._clock, transport)
        self._images = Images(self._api.upload, self._clock)
        self._outputs = Outputs(settings, self._clock, transport)
        self._prepared: dict[tuple[str, int], _Prepared] = {}
        self._looks: dict[str, int] = {}

    async def close(self) -> None:
        await self._api.close()

    async def compare(self, catalogue: Catalogue) -> dict[str, list[str]]:
        """What our rows say of models, and Replicate says otherwise; logged. Nothing without a token."""
        if not self._settings.token:
            return {}
        return await compare(self._api, [m for m in catalogue if m.provider == NAME])

    async def prepare(self, order: Order) -> Mapping[str, Any]:
        if not self._settings.token:
            raise problems.token_missing()
        inputs = inputs_of(order)
        sent = dict(inputs.plain)
        if inputs.image:
            assert order.starting_image is not None
            sent[inputs.image] = await self._images.address(order.starting_image, order.frame)
        if inputs.references:
            sent[inputs.references] = [await self._images.reference(r) for r in order.references]
        request = {
            "model": order.model.slug,
            "input": inputs.plain,
            "price": order.quote and order.quote.stored(),
            "attempt": order.attempt,
        }
        self._forget_late()
        self._prepared[order.run_id, order.position] = _Prepared({"input": sent}, request, self._clock.monotonic())
        return request

    async def submit(self, call_id: str, order: Order) -> Handle:
        prepared = self._prepared.pop((order.run_id, order.position), None)
        if prepared is None or self._clock.monotonic() - prepared.at > self._late_s:
            # Someone else may have concluded by now that this call never arrived.
            raise Retryable("provider_late", "The call was held up for too long to be made.", delay_s=0.0)
        body = dict(prepared.body)
        if self._settings.webhook_url:
            body["webhook"] = f"{self._settings.webhook_url}?call={quote(call_id)}"
            body["webhook_events_filter"] = ["completed"]
        return self._handle(await self._api.create(order.model.slug, body), prepared.request)

    def _forget_late(self) -> None:
        """What was prepared and never submitted: the run was no longer ours."""
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

    async def look(self, handle: Handle) -> Running | Succeeded | Stopped:
        found_id = str(handle["id"])
        looks = self._looks.get(found_id, 0)
        if looks:
            await self._bell.wait(found_id, self._pause(looks))
        self._looks[found_id] = looks + 1
        try:
            prediction = await self._api.get(f"predictions/{found_id}")
        except httpx.HTTPStatusError:
            self._looks.pop(found_id, None)
            return Stopped(gone("Replicate does not know the prediction any more"), FREE)
        answer = self._read(handle, prediction)
        if isinstance(answer, Running) and self._clock.now() > datetime.fromisoformat(handle["give_up_at"]):
            await self.cancel(handle)
            answer = Stopped(_timeout(), FREE, cancelled=True)
        if not isinstance(answer, Running):
            self._looks.pop(found_id, None)
        return answer

    def _pause(self, looks: int) -> float:
        """Longer for long ones, and where many are under way."""
        return max(self._settings.poll_s * min(3.0, 1 + looks / 20), len(self._looks) / READS_PER_S)

    def _read(self, handle: Handle, found: Prediction) -> Running | Succeeded | Stopped:
        made = _cost(handle, found, complete=True)
        match found.get("status"):
            case "succeeded" if url := url_in(found.get("output")):
                return Succeeded({"url": url, "id": handle["id"]}, made)
            case "succeeded" if found.get("data_removed"):
                return Stopped(gone("Replicate has removed it"), made)
            case "succeeded":
                return Stopped(
                    problems.Repeatable(
                        "output_missing",
                        "The model finished without an output.",
                        "Regenerate, or choose another model.",
                    ),
                    made,
                )
            case "failed":
                return Stopped(problems.failure(_text(found.get("error")), int(handle.get("attempt", 1))), FREE)
            case "aborted":
                return Stopped(Retryable("provider_aborted", "Replicate did not begin in time.", problems.LATER), FREE)
            case "canceled":
                return Stopped(_cancelled(found), _cost(handle, found, complete=False), cancelled=True)
            case _:
                return Running(_share(found), again_s=0.0)

    async def fetch(self, order: Order, done: Succeeded, work: Path) -> Made:
        path, content_type = await self._outputs.fetch(done.output["url"], order.kind, work)
        info: dict[str, Any] = {"provider_ref": done.output["id"]}
        if not order.model.takes_seed and order.kind is not AssetKind.NARRATION:
            info["seed_reason"] = f"{order.model.title} takes no seed."
        return Made(path, content_type, done.cost, info)

    async def cancel(self, handle: Handle) -> Cancelled:
        try:
            found = await self._api.cancel(str(handle["id"]))
        except httpx.HTTPStatusError:
            return Cancelled.UNKNOWN
        self._bell.ring(str(handle["id"]))
        over = found.get("status") in ("succeeded", "failed")
        return Cancelled.TOO_LATE if over else Cancelled.ACCEPTED

    async def find_orphan(self, call: Call, beside: Sequence[Call]) -> Handle | None:
        if not self._settings.token:
            raise Retryable("provider_token_missing", problems.token_missing().cause, delay_s=60.0)
        request = call.request or {}
        found = await find(self._api, self._settings, self._clock, call, beside)
        return None if found is None else self._handle(found, request)


def _cost(handle: Handle, found: Prediction, *, complete: bool) -> Cost:
    """Its metrics times the price. Replicate has no billing API, so it is an estimate."""
    if not handle.get("price"):
        return FREE
    price, metrics = Quote.restored(handle["price"]), found.get("metrics")
    counted = metrics.get(_METRIC.get(price.unit, "")) if isinstance(metrics, dict) else None
    is_number = isinstance(counted, int | float) and not isinstance(counted, bool)
    return price.cost(counted if is_number else None, complete=complete)


def _text(error: Any) -> str:
    return error if isinstance(error, str) else str(error or "no reason given")


def _share(found: Prediction) -> float | None:
    seen = _PERCENT.findall(str(found.get("logs") or "")[-500:])
    return min(1.0, int(seen[-1]) / 100) if seen else None


def _timeout() -> problems.Repeatable:
    return problems.Repeatable(
        "provider_timeout",
        "The model did not finish in time.",
        "Regenerate, perhaps with a shorter duration or another model.",
    )


def _cancelled(found: Prediction) -> problems.Repeatable:
    """By somebody, or by its own deadline after it began."""
    ended, deadline = found.get("completed_at"), found.get("deadline")
    try:
        late = bool(ended and deadline) and datetime.fromisoformat(str(ended)) >= datetime.fromisoformat(str(deadline))
    except (ValueError, TypeError):
        late = False
    return (
        _timeout()
        if late
        else problems.Repeatable(
            "provider_cancelled", "The prediction was cancelled.", "Regenerate when you are ready."
        )
    )
