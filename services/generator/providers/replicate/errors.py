"""Replicate's errors, classified by what the caller should do.

Codes: https://replicate.com/docs/topics/predictions/error-codes
"""

from __future__ import annotations

import re
from typing import Final

from services.generator.providers.base import ProviderHalted, ProviderThrottled
from shared.core.errors import Permanent, RetakeError, Retryable, UserError

SENSITIVE: Final = "E005"
# Seconds to wait before the next attempt. E8765 is a failed health check: the model restarts, which takes minutes.
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
RETRIED_ONCE: Final = {"E9243": 5.0, "E001": 5.0}  # either transient, or caused by the input: one retry tells
DESCRIPTIONS: Final = {
    "E1001": ("The model ran out of memory.", "Choose a lower resolution or a shorter duration."),
    "E006": ("The model refused its input.", "Change the directions, the image or the settings."),
}
LATER: Final = "Regenerate later, or choose another model."  # read once no attempt is left

_CODE: Final = re.compile(r"\bE\d{3,4}\b|(?<=code: )PA\b")
_PREFIX: Final = "Prediction failed: "
_REDUCED: Final = re.compile(r"reduced to (\d+) requests? per minute")


def with_code(error: RetakeError, code: str | None) -> RetakeError:
    error.provider_code = code  # type: ignore[attr-defined]  # read by `problem_of`
    return error


def error_code(text: str) -> str | None:
    match = _CODE.search(text)
    return match.group() if match else None


def prediction_failed(text: str, attempt: int) -> RetakeError:
    """The error of a failed prediction; `attempt` counts from 1. Failed predictions are free."""
    code, message = error_code(text), text.removeprefix(_PREFIX)[:500]
    if code == SENSITIVE:
        error: RetakeError = UserError(
            "content_refused",
            f"The model rejected the request as sensitive: {message}",
            "Change the directions or the starting image, then regenerate.",
        )
    elif code in TRANSIENT:
        error = Retryable(
            "provider_failed", f"Replicate could not run the model: {message}", LATER, delay_s=TRANSIENT[code]
        )
    elif code in RETRIED_ONCE and attempt < 2:
        error = Retryable(
            "provider_failed", f"Replicate could not run the model: {message}", LATER, delay_s=RETRIED_ONCE[code]
        )
    else:
        cause, recovery = DESCRIPTIONS.get(code or "", ("The model failed", "Regenerate, or choose another model."))
        error = RetryableByUser("provider_failed", f"{cause.rstrip('.')}: {message}", recovery)
    return with_code(error, code)


class RetryableByUser(Permanent):
    """The run is not retried automatically, but the user may try again."""

    retryable = True


def token_missing() -> UserError:
    return UserError(
        "provider_token_missing",
        "No Replicate API token is configured.",
        "Create one at https://replicate.com/account/api-tokens, set REPLICATE_API_TOKEN and restart; "
        "or choose an animatic model, which needs no account.",
    )


def token_refused() -> ProviderHalted:
    return ProviderHalted(
        "provider_token_refused",
        "Replicate rejected the API token.",
        "Check REPLICATE_API_TOKEN against https://replicate.com/account/api-tokens and restart; "
        "or choose an animatic model, which needs no account.",
        pause_s=None,
    )


def insufficient_credit(detail: str, pause_s: float) -> ProviderHalted:
    return ProviderHalted(
        "provider_credit",
        f"The Replicate account has insufficient credit: {detail}"[:500],
        "Add credit at https://replicate.com/account/billing, wait a few minutes, then regenerate.",
        pause_s=pause_s,
    )


def throttled(detail: str, delay_s: float) -> ProviderThrottled:
    """The slower rate of an account with low credit is only stated in the text."""
    match = _REDUCED.search(detail)
    return ProviderThrottled(
        "provider_rate_limited",
        f"Replicate limits the request rate: {detail}"[:500],
        delay_s=delay_s,
        per_minute=max(1.0, float(match.group(1))) if match else None,
    )


def unavailable(detail: str, delay_s: float | None = None) -> Retryable:
    return Retryable("provider_unavailable", f"Replicate is unavailable: {detail}"[:500], LATER, delay_s=delay_s)


def refused(status: int, detail: str) -> UserError:
    return UserError(
        "provider_refused",
        f"Replicate rejected the request ({status}): {detail}"[:1000],
        "Change the settings that are named, or choose another model.",
    )


def input_refused(cause: str) -> UserError:
    """An uploaded file: `cause` says what was answered."""
    return UserError("provider_refused", f"An image was not accepted as an input. {cause}", "Use another image.")


def model_gone(model: str, detail: str) -> UserError:
    return UserError(
        "model_gone",
        f"Replicate does not offer the model {model}: {detail}"[:500],
        "Choose another model.",
    )
