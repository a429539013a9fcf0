"""Refusals: what a caller asked for that cannot be done, as the problems of the HTTP API name it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from shared.core.errors import UserError

Slug = Literal[
    "already-decided",
    "busy",
    "forbidden",
    "gone",
    "invalid",
    "invalid-state",
    "not-compilable",
    "not-found",
    "rate-limited",
    "spend-cap-reached",
    "stale",
]


class Refusal(UserError):
    """`slug` is a problem type of the API (a closed set), `extensions` the members that it adds. `delay_s`: when it is
    worth asking again."""

    def __init__(
        self, slug: Slug, cause: str, recovery: str = "", *, delay_s: float | None = None, **extensions: Any
    ) -> None:
        super().__init__(slug, cause, recovery)
        self.slug: Slug = slug
        self.delay_s = delay_s
        self.extensions = extensions


def not_found(what: str) -> Refusal:
    """Absent or not the caller's: the two must look the same."""
    return Refusal("not-found", f"There is no such {what}.", "Check the id, or ask for access.")


def invalid(*errors: tuple[str, str]) -> Refusal:
    """Each error is (JSON pointer, what is wrong there)."""
    listed = [{"pointer": pointer, "detail": detail} for pointer, detail in errors]
    return Refusal("invalid", "; ".join(detail for _, detail in errors), "Change the named fields.", errors=listed)


def invalid_state(what: str, current: str, allowed: Sequence[str], recovery: str = "") -> Refusal:
    return Refusal(
        "invalid-state",
        f"The {what} is {current}.",
        recovery or "Refresh; it has moved on.",
        current=current,
        allowed=list(allowed),
    )


def busy(what: str, active_id: str) -> Refusal:
    return Refusal("busy", f"The {what} is being worked on.", "Watch it, or cancel it first.", active_id=active_id)


def stale(revision: int) -> Refusal:
    """Someone else changed it; `etag` is the current one."""
    return Refusal(
        "stale", "It was changed in the meantime.", "Fetch it again, merge, and retry.", etag=f'"{revision}"'
    )
