"""Finds the prediction of a call whose answer was lost, in the list of the account's predictions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from services.generator.domain.calls import Call, CallState
from services.generator.providers.replicate.api import Prediction, ReplicateApi
from services.generator.providers.replicate.errors import RetryableByUser, unavailable
from services.generator.providers.replicate.settings import RETENTION_S, ReplicateSettings
from shared.core.clock import Clock
from shared.core.errors import Retryable

# A server may write its Date a little late.
SLACK: Final = timedelta(seconds=2)
MAX_PAGES: Final = 20
# Without inputs nothing distinguishes calls; a run does not wait for longer than this anyway.
UNKNOWN_FOR_S: Final = 2.5 * RETENTION_S


async def find_prediction(
    api: ReplicateApi, settings: ReplicateSettings, clock: Clock, call: Call, others: Sequence[Call]
) -> Prediction | None:
    """None if the request certainly never arrived. Raises Retryable while that is unknown, Permanent if it stays so.

    A prediction is recognised by the call's id in its webhook URL where the list shows it, else by model and exact
    input among the predictions that were created while the request was under way.
    """
    taken = {str(other.handle.get("id")) for other in others if other.handle is not None}
    rows = await _rows(api, settings, call)
    named = [r for r in rows if _call_named(r.get("webhook")) == call.call_id]
    if named:
        return named[0]
    rows = [r for r in rows if r.get("id") not in taken and _call_named(r.get("webhook")) is None]
    request = call.request or {}
    matching = [r for r in rows if r.get("model") == request.get("model")]
    exact = [r for r in matching if _same(request.get("input"), r.get("input"))]
    rival_until = max((_answered_by(o, settings) for o in others if _is_rival(o, call)), default=clock.now())
    if exact and rival_until > clock.now():  # it may belong to an equal call that still waits for its answer
        raise Retryable(
            "provider_unsure",
            "It is not known yet which of several equal requests this prediction belongs to.",
            delay_s=(rival_until - clock.now()).total_seconds(),
        )
    if exact:
        return exact[-1]  # newest first: the earliest is ours
    age = (clock.now() - call.intended_at).total_seconds()
    if age < settings.settle_s:
        raise Retryable(
            "provider_unsure",
            "It is not known yet whether Replicate received the request.",
            delay_s=settings.settle_s - age,
        )
    if any(r.get("data_removed") for r in matching) and age < UNKNOWN_FOR_S:
        raise RetryableByUser(
            "provider_call_unknown",
            "It can no longer be determined whether Replicate charged for this.",
            "Check https://replicate.com/predictions, then regenerate if needed.",
        )
    return None


def _is_rival(other: Call, call: Call) -> bool:
    """An equal request, sent or about to be sent, whose answer has not arrived."""
    same = (other.request or {}).get("input") == (call.request or {}).get("input")
    return same and other.state is CallState.INTENDED and other.handle is None


def _answered_by(other: Call, settings: ReplicateSettings) -> datetime:
    return other.intended_at + timedelta(seconds=settings.settle_s)


async def _rows(api: ReplicateApi, settings: ReplicateSettings, call: Call) -> list[Prediction]:
    """Predictions that were created while the request may have been under way, newest first."""
    skew = await api.clock_skew()
    first = call.intended_at + skew.least - SLACK
    last = call.intended_at + skew.most + SLACK + timedelta(seconds=settings.settle_s)
    next_page, rows = None, list[Prediction]()
    for _ in range(MAX_PAGES):
        page = await api.list(next_page, created_after=_iso(first), created_before=_iso(last))
        results, next_page = page.get("results"), page.get("next")
        if not isinstance(results, list):  # of which nothing may be concluded: not that the call never arrived
            raise unavailable("a list of predictions without results")
        rows += [r for r in results if isinstance(r, dict) and _within(r, first, last)]
        if not isinstance(next_page, str) or not next_page:
            return rows
    raise Retryable("provider_unavailable", "Replicate's list of predictions does not end.")


def _within(row: Prediction, first: datetime, last: datetime) -> bool:
    """Checked here as well, in case Replicate ignores the filter."""
    try:
        return first <= datetime.fromisoformat(str(row.get("created_at"))) <= last
    except (ValueError, TypeError):
        return False


def _same(ours: Any, theirs: Any) -> bool:
    """Whether all that was sent matches. Media are not compared, because their URLs may be rewritten."""
    if not ours or not isinstance(theirs, dict):
        return False
    return all(name in theirs and theirs[name] == value for name, value in ours.items())


def _call_named(webhook: Any) -> str | None:
    if not isinstance(webhook, str):
        return None
    return next(iter(parse_qs(urlsplit(webhook).query).get("call", [])), None)


def _iso(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
