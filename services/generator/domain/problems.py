"""Why runs fail: what happened, and what the user can do about it. The texts are in the catalogue of messages."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from shared.contracts.messages import message, problem_text
from shared.contracts.values import AssetKind, Problem, SpendCap
from shared.core.errors import RetakeError, Retryable, UserError

MOST_CAUSE_CHARACTERS: Final = 2000
UNEXPECTED: Final = "unexpected"
"""The code of a fault of our own. What exactly happened is in the log, not in the message."""


def problem_of(error: RetakeError) -> Problem:
    """An error in the form that clients receive."""
    return Problem(
        code=error.code,
        cause=error.cause[:MOST_CAUSE_CHARACTERS],
        recovery=error.recovery or message("problem.unexplained.recovery"),
        retryable=error.retryable,
        provider_code=getattr(error, "provider_code", None),
    )


def starting_image_missing() -> UserError:
    return _problem("starting_image_missing")


def asset_deleted() -> UserError:
    return _problem("asset_deleted")


def superseded() -> UserError:
    return _problem("superseded")


def call_not_followed(provider: str) -> UserError:
    """After the database was restored: it is unknown whether the provider was called."""
    return _problem("call_not_followed", provider=provider)


def version_purged() -> UserError:
    return _problem("version_purged")


def version_unknown() -> UserError:
    return _problem("version_unknown")


def directions_missing(kind: AssetKind) -> UserError:
    what = {AssetKind.NARRATION: "script", AssetKind.VIDEO: "movie directions"}.get(kind, "prompt")
    return _problem("directions_missing", what=what)


def directions_too_long(longest: int, model: str) -> UserError:
    """`longest` in characters."""
    return _problem("directions_too_long", longest=longest, model=model)


def cancelled() -> UserError:
    return _problem("cancelled")


def too_old(hours: float, state: str) -> UserError:
    return _problem("too_old", hours=f"{hours:g}", state=state)


def worker_lost(attempts: int) -> UserError:
    return _problem("worker_lost", attempts=attempts)


def input_missing() -> UserError:
    return _problem("input_missing")


def provider_unknown(provider: str, known: list[str]) -> UserError:
    """`known`: the providers that are configured."""
    return _problem("provider_unavailable", provider=provider, known=", ".join(known))


def spend_cap_reached(cap: SpendCap, *, spent: Decimal, reserved: Decimal, needed: Decimal) -> UserError:
    """The price of a call does not fit under the cap; all amounts are in the cap's currency."""
    money = cap.currency
    return _problem(
        "spend_cap_reached",
        cap=f"{cap.amount} {money}",
        when={"month": "this month (UTC)", "total": "in total"}[cap.period],
        spent=f"{_amount(spent)} {money}",
        reserved=f", and {_amount(reserved)} {money} are reserved for current runs" if reserved else "",
        needed=f"{_amount(needed)} {money}",
    )


def spend_cap_currency(cap: SpendCap, currency: str) -> UserError:
    return _problem("spend_cap_currency", cap_currency=cap.currency, currency=currency)


def unexpected() -> Retryable:
    return Retryable(UNEXPECTED, *problem_text("unexpected"))


def unreadable_command() -> UserError:
    return _problem("bad_request")


def _problem(code: str, **args: Any) -> UserError:
    return UserError(code, *problem_text(code, **args))


def _amount(of: Decimal) -> str:
    return f"{of.normalize():f}"
