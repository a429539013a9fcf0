"""Why runs fail, in words: what happened, and what the reader can do about it."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from shared.contracts.messages import message
from shared.contracts.values import AssetKind, Problem, SpendCap
from shared.core.errors import RetakeError, UserError

REOPEN: Final = "Reopen the preview to decide again at no new cost, or regenerate."


def problem_of(error: RetakeError) -> Problem:
    """An error as clients read it."""
    return Problem(
        code=error.code,
        cause=error.cause[:2000],
        recovery=error.recovery or "Try again; if it happens again, tell whoever runs this system.",
        retryable=error.retryable,
        provider_code=getattr(error, "provider_code", None),
    )


def error_of(problem: Problem) -> UserError:
    return UserError(problem.code, problem.cause, problem.recovery)


def starting_image_missing() -> UserError:
    return UserError(
        "starting_image_missing",
        message("error.starting_image_missing"),
        "Generate or upload the segment's starting image and accept it; then regenerate the video.",
    )


def asset_deleted() -> UserError:
    return UserError("asset_deleted", "The asset was deleted.", "Nothing needs to be done.")


def superseded() -> UserError:
    return UserError("superseded", "Another version was committed while this one waited for its decision.", REOPEN)


def version_purged() -> UserError:
    return UserError("version_purged", "The version is no longer kept.", "Regenerate it.")


def version_unknown() -> UserError:
    return UserError("version_unknown", "The asset has no such version.", "Choose one from the asset's versions.")


def directions_missing(kind: AssetKind) -> UserError:
    what = {AssetKind.NARRATION: "script", AssetKind.VIDEO: "movie directions"}.get(kind, "prompt")
    return UserError("directions_missing", f"There is no {what} to work from.", f"Write the {what}, then regenerate.")


def directions_too_long(longest: int, model: str) -> UserError:
    return UserError(
        "directions_too_long",
        f"{model} takes at most {longest} characters.",
        "Shorten the text, or choose another model.",
    )


def cancelled() -> UserError:
    return UserError("cancelled", "The run was cancelled.", "Regenerate when you are ready.")


def too_old(hours: float, state: str) -> UserError:
    return UserError(
        "too_old",
        f"The run was still {state} after {hours:g} h.",
        "Regenerate; if it happens again, see the workers' logs.",
    )


def worker_lost(attempts: int) -> UserError:
    return UserError(
        "worker_lost",
        f"{attempts} attempts ended without a word from their worker.",
        "Regenerate; if it happens again, see the workers' logs.",
    )


def input_missing() -> UserError:
    return UserError("input_missing", "The request names no file to take.", "Upload the file again.")


def provider_unknown(provider: str, known: list[str]) -> UserError:
    return UserError(
        "provider_unavailable",
        f"The provider {provider!r} is not set up here.",
        f"Choose a model of: {', '.join(known)}.",
    )


def spend_cap_reached(cap: SpendCap, *, spent: Decimal, reserved: Decimal, needed: Decimal) -> UserError:
    money = cap.currency
    held = f", and {_amount(reserved)} {money} are reserved for runs under way" if reserved else ""
    when = {"month": "this month (UTC)", "total": "in all"}[cap.period]
    return UserError(
        "spend_cap_reached",
        f"The project may spend {cap.amount} {money} {when}. {_amount(spent)} {money} are spent{held}; this would cost "
        f"about {_amount(needed)} {money}.",
        "Ask an owner of the project to raise the spend cap, choose a cheaper model or less of it, or wait for runs "
        "under way to end; nothing was paid for this.",
    )


def spend_cap_currency(cap: SpendCap, currency: str) -> UserError:
    return UserError(
        "spend_cap_currency",
        f"The project's spend cap is in {cap.currency}, but the model's price is in {currency}.",
        f"Ask an owner of the project to set the spend cap in {currency}; nothing was paid.",
    )


def _amount(of: Decimal) -> str:
    return f"{of.normalize():f}"


def unreadable_command() -> UserError:
    return UserError("bad_request", "The request could not be understood.", "Try again; if it fails again, report it.")
