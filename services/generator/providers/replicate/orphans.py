"""Finds the prediction of a call whose answer never came, in the account's list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import httpx

from services.generator.providers.base import Call, CallState
from services.generator.providers.replicate.api import Api, Prediction
from services.generator.providers.replicate.problems import Repeatable
from services.generator.providers.replicate.settings import RETENTION_S, ReplicateSettings
from shared.core.clock import Clock
from shared.core.errors import Retryable

# Between our clock and theirs once the Date of their answers is taken into account, which counts whole seconds.
SLACK: Final = timedelta(seconds=2)
PAGES_MOST: Final = 20
# When inputs are gone nothing tells calls apart; a run does not wait for longer than this anyway.
UNKNOWN_FOR_S: Final = 2.5 * RETENTION_S


async def find(
    api: Api, settings: ReplicateSettings, clock: Clock, call: Call, beside: Sequence[Call]
) -> Prediction | None:
    """None if it surely did not arrive. Raises Retryable while that may change, Permanent if nobody can tell."""
    taken = {str(other.handle.get("id")) for other in beside if other.handle is not None}
    rows = await _rows(api, settings, call)
    named = [r for r in rows if _call_named(r.get("webhook")) == call.call_id]
    if named:
        return named[0]
    rows = [r for r in rows if r.get("id") not in taken and _call_named(r.get("webhook")) is None]
    request = call.request or {}
    matching = [r for r in rows if r.get("model") == request.get("model")]
    exact = [r for r in matching if _same(request.get("input"), r.get("input"))]
    rival_until = max((_answered_by(o, settings) for o in beside if _is_rival(o, call)), default=clock.now())
    if exact and rival_until > clock.now():  # it may be the one whose answer is on its way to a call just like this one
        raise Retryable(
            "provider_unsure",
            "Which of equal requests Replicate answers is not known yet.",
            delay_s=(rival_until - clock.now()).total_seconds(),
        )
    if exact:
        return exact[-1]  # newest first: the earliest is ours
    age = (clock.now() - call.intended_at).total_seconds()
    if age < settings.settle_s:
        raise Retryable(
            "provider_unsure", "Whether Replicate got the request is not known yet.", delay_s=settings.settle_s - age
        )
    if any(r.get("data_removed") for r in matching) and age < UNKNOWN_FOR_S:
        raise Repeatable(
            "provider_call_unknown",
            "Whether Replicate was paid for this cannot be told any more.",
            "Look at https://replicate.com/predictions, then regenerate if you want.",
        )
    return None


def _is_rival(other: Call, call: Call) -> bool:
    """The same request, sent or about to be, whose answer nobody has."""
    same = (other.request or {}).get("input") == (call.request or {}).get("input")
    return same and other.state is CallState.INTENDED and other.handle is None


def _answered_by(other: Call, settings: ReplicateSettings) -> datetime:
    return other.intended_at + timedelta(seconds=settings.settle_s)


async def _rows(api: Api, settings: ReplicateSettings, call: Call) -> list[Prediction]:
    """Predictions that were created while the request may have been under way, newest first."""
    skew = await api.skew()
    first = call.intended_at + skew - SLACK
    last = call.intended_at + skew + SLACK + timedelta(seconds=settings.settle_s)
    params: Mapping[str, str] | None = {"created_after": _iso(first), "created_before": _iso(last)}
    path, found = "predictions", list[Prediction]()
    for _ in range(PAGES_MOST):
        try:
            page = await api.get(path, params)
        except httpx.HTTPStatusError as e:
            raise Retryable("provider_unavailable", "Replicate's list of predictions is not there.") from e
        found += [r for r in page.get("results", []) if isinstance(r, dict) and _within(r, first, last)]
        if not page.get("next"):
            return found
        path, params = page["next"], None
    raise Retryable("provider_unavailable", "Replicate's list of predictions has no end.")


def _within(row: Prediction, first: datetime, last: datetime) -> bool:
    """The filter is theirs; whether it was heeded is not taken on trust."""
    try:
        return first <= datetime.fromisoformat(str(row.get("created_at"))) <= last
    except (ValueError, TypeError):
        return False


def _same(ours: Any, theirs: Any) -> bool:
    """All that we sent, media aside: their addresses may be rewritten."""
    if not ours or not isinstance(theirs, dict):
        return False
    return all(name in theirs and theirs[name] == value for name, value in ours.items())


def _call_named(webhook: Any) -> str | None:
    if not isinstance(webhook, str):
        return None
    return next(iter(parse_qs(urlsplit(webhook).query).get("call", [])), None)


def _iso(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
