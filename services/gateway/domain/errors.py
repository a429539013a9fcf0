"""Refusals: why a command cannot be done, as the problems of the HTTP API report it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, assert_never

from services.gateway.domain.validation_messages import to_sentence
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
    """`slug` is a problem type of the API (a closed set), `extensions` are the members that it adds. `delay_s`: after
    how many seconds a retry may succeed."""

    def __init__(
        self, slug: Slug, cause: str, recovery: str = "", *, delay_s: float | None = None, **extensions: Any
    ) -> None:
        super().__init__(slug, cause, recovery)
        self.slug: Slug = slug
        self.delay_s = delay_s
        self.extensions = extensions


def not_found(what: str) -> Refusal:
    """Absent, or of another project: callers must not be able to tell these apart."""
    return Refusal("not-found", f"There is no such {what}.", "Check the id, or ask for access to its project.")


def invalid(*errors: tuple[str, str]) -> Refusal:
    """Each error is (JSON pointer into the request, what is wrong there as `validation_messages` says)."""
    listed = [{"pointer": pointer, "detail": detail} for pointer, detail in errors]
    cause = " ".join(to_sentence(pointer, detail) for pointer, detail in errors)
    return Refusal("invalid", cause, "Correct the listed fields.", errors=listed)


def invalid_state(what: str, current: str, allowed: Sequence[str], recovery: str = "") -> Refusal:
    return Refusal(
        "invalid-state",
        f"The {what} is {current}.",
        recovery or "Its state has changed; refresh.",
        current=current,
        allowed=list(allowed),
    )


def busy(what: str, active_id: str, *, why: Literal["working", "reviewing", "deciding"] = "working") -> Refusal:
    """`why`: its run is at work; its preview waits for a decision, which can neither be waited for nor cancelled; a
    decision was submitted and takes effect within moments."""
    match why:
        case "working":
            cause, recovery = f"{what} already has active work.", "Wait until it has finished, or cancel it first."
        case "reviewing":
            cause, recovery = f"A preview of {what} waits for a decision.", "Accept or reject it first."
        case "deciding":
            cause, recovery = f"A decision on {what} is taking effect.", "Try again in a moment."
        case _:
            assert_never(why)
    return Refusal("busy", cause, recovery, active_id=active_id)


class AwaitsCommit(Refusal):
    """A version that the command builds on is accepted and not committed yet, which usually lasts for milliseconds. A
    caller that can wait tries again once run `run_id` has ended; for any other this is a refusal."""

    def __init__(self, what: str, project_id: str, run_id: str) -> None:
        super().__init__(
            "busy", f"{what} is accepted and is being committed.", "Try again in a moment.", active_id=run_id
        )
        self.project_id = project_id
        self.run_id = run_id


def stale(revision: int) -> Refusal:
    """Another request changed the resource; `etag` is the current one."""
    return Refusal(
        "stale", "It was changed in the meantime.", "Fetch it again, merge, and retry.", etag=f'"{revision}"'
    )


def check_revision(expected: int | None, current: int) -> None:
    """`expected`: the revision that the caller has seen; None: any revision. Raises Refusal stale."""
    if expected not in (None, current):
        raise stale(current)
