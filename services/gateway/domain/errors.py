"""Refusals: why a command cannot be done, as the problems of the HTTP API report it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, assert_never

from services.gateway.domain.validation_messages import to_sentence
from shared.contracts.messages import message, problem_text
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
    "storage-full",
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
    return Refusal("not-found", *problem_text("not_found", what=what))


def invalid(*errors: tuple[str, str]) -> Refusal:
    """Each error is (JSON pointer into the request, what is wrong there as `validation_messages` says)."""
    listed = [{"pointer": pointer, "detail": detail} for pointer, detail in errors]
    cause = " ".join(to_sentence(pointer, detail) for pointer, detail in errors)
    return Refusal("invalid", cause, message("problem.invalid.recovery"), errors=listed)


def does_not_fit(what_to_shorten: str) -> Refusal:
    """What was requested is valid field by field, but more in all than one event can carry. `what_to_shorten`: a
    sentence."""
    cause = message("problem.event_too_large")
    return Refusal("invalid", cause, what_to_shorten, errors=[{"pointer": "", "detail": f"{cause} {what_to_shorten}"}])


def invalid_state(what: str, current: str, allowed: Sequence[str], recovery: str = "") -> Refusal:
    text = problem_text("invalid_state", what=what, current=current)
    return Refusal(
        "invalid-state",
        text.cause,
        recovery or text.recovery,
        current=current,
        allowed=list(allowed),
    )


def busy(what: str, active_id: str, *, why: Literal["working", "reviewing", "deciding"] = "working") -> Refusal:
    """`why`: its run is at work; its preview waits for a decision, which can neither be waited for nor cancelled; a
    decision was submitted and takes effect within moments."""
    match why:
        case "working":
            text = problem_text("busy", what=what)
        case "reviewing":
            text = problem_text("busy_reviewing", what=what)
        case "deciding":
            text = problem_text("busy_deciding", what=what)
        case _:
            assert_never(why)
    return Refusal("busy", *text, active_id=active_id)


class AwaitsCommit(Refusal):
    """A version that the command builds on is accepted and not committed yet, which usually lasts for milliseconds. A
    caller that can wait tries again once run `run_id` has ended; for any other this is a refusal."""

    def __init__(self, what: str, project_id: str, run_id: str) -> None:
        super().__init__("busy", *problem_text("awaits_commit", what=what), active_id=run_id)
        self.project_id = project_id
        self.run_id = run_id


def stale(revision: int) -> Refusal:
    """Another request changed the resource; `etag` is the current one."""
    return Refusal("stale", *problem_text("stale"), etag=f'"{revision}"')


def check_revision(expected: int | None, current: int) -> None:
    """`expected`: the revision that the caller has seen; None: any revision. Raises Refusal stale."""
    if expected not in (None, current):
        raise stale(current)
