"""Replicate's errors, classed by what the caller should do.

Codes: replicate.com/docs/topics/predictions/error-codes.
"""

from __future__ import annotations

import re
from typing import Final

from services.generator.providers.base import Halted, Throttled
from shared.core.errors import Permanent, RetakeError, Retryable, UserError

SENSITIVE: Final = "E005"
# Seconds to wait first. E8765 is a failed health check: the model restarts, which takes minutes.
TRANSIENT: Final = {
    "E6716": 5.0,
    "E1000": 5.0,
    "E8765": 120.0,
    "E9825": 5.0,
    "E003": 30.0,
    "E004": 30.0,
    "PA": 5.0,
    "E9828": 5.0,
    "E8367": 5.0,
}
ONCE: Final = {"E9243": 5.0, "E001": 5.0}  # may be transient, may be the input: one repetition tells
IN_WORDS: Final = {
    "E1001": ("The model ran out of memory.", "Choose a lower resolution or a shorter duration."),
    "E006": ("The model refused its input.", "Change the directions, the image or the settings."),
}
LATER: Final = "Regenerate in a while, or choose another model."  # for who reads it once nothing tries any more

_CODE: Final = re.compile(r"\bE\d{3,4}\b|(?<=code: )PA\b")
_PREFIX: Final = "Prediction failed: "
_REDUCED: Final = re.compile(r"reduced to (\d+) requests? per minute")


def with_code(error: RetakeError, code: str | None) -> RetakeError:
    error.provider_code = code  # type: ignore[attr-defined]  # read by problem_of
    return error


def code_in(text: str) -> str | None:
    found = _CODE.search(text)
    return found.group() if found else None


def failure(text: str, attempt: int) -> RetakeError:
    """The error of a prediction that failed; `attempt` counts from 1. Failed predictions are free."""
    code, said = code_in(text), text.removeprefix(_PREFIX)[:500]
    if code == SENSITIVE:
        error: RetakeError = UserError(
            "content_refused",
            f"The model refused it as sensitive: {said}",
            "Change the directions or the starting image, then regenerate.",
        )
    elif code in TRANSIENT:
        error = Retryable("provider_failed", f"Replicate could not run it: {said}", LATER, delay_s=TRANSIENT[code])
    elif code in ONCE and attempt < 2:
        error = Retryable("provider_failed", f"Replicate could not run it: {said}", LATER, delay_s=ONCE[code])
    else:
        cause, recovery = IN_WORDS.get(code or "", ("The model failed", "Regenerate, or choose another model."))
        error = Repeatable("provider_failed", f"{cause.rstrip('.')}: {said}", recovery)
    return with_code(error, code)


class Repeatable(Permanent):
    """Not tried again by itself, but a person may."""

    retryable = True


def token_missing() -> UserError:
    return UserError(
        "provider_token_missing",
        "Replicate needs an API token, and none is set.",
        "Create one at https://replicate.com/account/api-tokens, set REPLICATE_API_TOKEN and restart; "
        "or choose a model of animatic, which needs no account.",
    )


def token_refused() -> Halted:
    return Halted(
        "provider_token_refused",
        "Replicate does not accept the API token.",
        "Check REPLICATE_API_TOKEN against https://replicate.com/account/api-tokens and restart; "
        "or choose a model of animatic, which needs no account.",
        pause_s=None,
    )


def credit_spent(detail: str, pause_s: float) -> Halted:
    return Halted(
        "provider_credit",
        f"The Replicate account has not enough credit: {detail}"[:500],
        "Add credit at https://replicate.com/account/billing, wait some minutes, then regenerate.",
        pause_s=pause_s,
    )


def throttled(detail: str, delay_s: float) -> Throttled:
    """An account that is low on credit is held to a slower pace, which it is told in words only."""
    found = _REDUCED.search(detail)
    return Throttled(
        "provider_rate_limited",
        f"Replicate limits the rate: {detail}"[:500],
        delay_s=delay_s,
        per_minute=max(1.0, float(found.group(1))) if found else None,
    )


def unavailable(detail: str, delay_s: float | None = None) -> Retryable:
    return Retryable(
        "provider_unavailable", f"Replicate does not answer as it should: {detail}"[:500], LATER, delay_s=delay_s
    )


def refused(status: int, detail: str) -> UserError:
    return UserError(
        "provider_refused",
        f"Replicate refused the request ({status}): {detail}"[:1000],
        "Change the settings that it names, or choose another model.",
    )


def model_gone(model: str, detail: str) -> UserError:
    return UserError(
        "model_gone", f"Replicate has no model {model} (any more): {detail}"[:500], "Choose another model."
    )
