"""What can go wrong, as exceptions. A refusal by the gateway becomes the class of its problem type.

Every error has `recovery`: one sentence that says what to do about it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class RetakeError(Exception):
    """Base of all errors of this package."""

    def __init__(self, message: str, recovery: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.recovery = recovery

    def as_json(self) -> dict[str, Any]:
        """What `--json` prints."""
        return {"type": "about:blank", "title": self.message, "detail": self.message, "recovery": self.recovery}


class Unreachable(RetakeError):
    """No gateway answers, or it went away in the middle."""


class NotRunning(Unreachable):
    """Nothing says where a gateway would be."""


class BadAnswer(RetakeError):
    """The other side answered, but not like a Retake gateway."""


class TransferFailed(RetakeError):
    """A download ended early or came out wrong, and trying again did not help."""


class ProblemError(RetakeError):
    """The gateway refused or failed: an RFC 9457 problem. `extensions` holds what its type adds."""

    slug: ClassVar[str] = ""
    _by_slug: ClassVar[dict[str, type[ProblemError]]] = {}

    def __init_subclass__(cls) -> None:
        if cls.slug:
            ProblemError._by_slug[cls.slug] = cls

    def __init__(self, status: int, problem: Mapping[str, Any], *, retry_after_s: float | None = None) -> None:
        self.status = status
        self.type = str(problem.get("type") or "about:blank")
        self.title = str(problem.get("title") or f"HTTP {status}")
        self.detail = str(problem.get("detail") or self.title)
        self.instance = problem.get("instance")
        self.trace_id = problem.get("trace_id")
        self.extensions = {k: v for k, v in problem.items() if k not in _STANDARD}
        self.retry_after_s = retry_after_s
        super().__init__(self.detail, str(problem.get("recovery") or ""))

    @classmethod
    def of(cls, status: int, problem: Mapping[str, Any], *, retry_after_s: float | None = None) -> ProblemError:
        """The exception for this problem: by its type, else by the class of its status."""
        slug = str(problem.get("type") or "").rpartition("/problems/")[2]
        kind = cls._by_slug.get(slug) or (ServerFailed if status >= 500 else ProblemError)
        return kind(status, problem, retry_after_s=retry_after_s)

    def as_json(self) -> dict[str, Any]:
        return {
            "type": self.type,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": self.instance,
            "trace_id": self.trace_id,
            "recovery": self.recovery,
            **self.extensions,
        }


_STANDARD = {"type", "title", "status", "detail", "instance", "trace_id", "recovery"}


class Malformed(ProblemError):
    slug = "malformed"


class MethodNotAllowed(ProblemError):
    slug = "method-not-allowed"


class NotAcceptable(ProblemError):
    slug = "not-acceptable"


class UnsupportedMediaType(ProblemError):
    slug = "unsupported-media-type"


class Unauthenticated(ProblemError):
    """No token, or one that is no longer good."""

    slug = "unauthenticated"


class SpendCapReached(ProblemError):
    slug = "spend-cap-reached"


class Forbidden(ProblemError):
    slug = "forbidden"

    @property
    def required_role(self) -> str | None:
        return self.extensions.get("required_role")


class NotFound(ProblemError):
    """Absent, or not yours: the gateway does not tell which."""

    slug = "not-found"


class Busy(ProblemError):
    """The asset has an active run, or the episode an active batch."""

    slug = "busy"

    @property
    def active_id(self) -> str | None:
        return self.extensions.get("active_id")


class AlreadyDecided(ProblemError):
    """Someone decided first, or the time to decide ran out."""

    slug = "already-decided"

    @property
    def outcome(self) -> str | None:
        return self.extensions.get("outcome")

    @property
    def review_id(self) -> str | None:
        return self.extensions.get("review_id")


class InvalidState(ProblemError):
    slug = "invalid-state"

    @property
    def current(self) -> str | None:
        return self.extensions.get("current")


class IdempotencyInFlight(ProblemError):
    slug = "idempotency-in-flight"


class IdempotencyMismatch(ProblemError):
    slug = "idempotency-mismatch"


class RateLimited(ProblemError):
    slug = "rate-limited"


class Unavailable(ProblemError):
    slug = "unavailable"


class Gone(ProblemError):
    """Retention deleted it."""

    slug = "gone"


class LinkExpired(ProblemError):
    """A media link is only good for a while: get its resource again for a new one."""

    slug = "link-expired"


class Stale(ProblemError):
    """Someone edited it since it was read."""

    slug = "stale"

    @property
    def etag(self) -> str | None:
        return self.extensions.get("etag")


class TooLarge(ProblemError):
    slug = "too-large"


class RangeNotSatisfiable(ProblemError):
    slug = "range-not-satisfiable"


class Invalid(ProblemError):
    """The request does not fit the schema; `errors` says where."""

    slug = "invalid"

    @property
    def errors(self) -> list[dict[str, str]]:
        return list(self.extensions.get("errors") or [])


class NotCompilable(ProblemError):
    slug = "not-compilable"

    @property
    def segments(self) -> list[dict[str, Any]]:
        return list(self.extensions.get("segments") or [])


class PreconditionRequired(ProblemError):
    slug = "precondition-required"


class ServerFailed(ProblemError):
    """The gateway failed; asking again with the same idempotency key is safe."""

    slug = "internal"
