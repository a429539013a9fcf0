"""The exceptions of the client. A refusal by the gateway has the class of its problem type.

Every error has a `recovery`: one sentence that says what to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class ClientError(Exception):
    """Base of all errors of this package."""

    def __init__(self, message: str, recovery: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.recovery = recovery

    def as_json(self) -> dict[str, Any]:
        """A problem object (RFC 9457), as `--json` prints it."""
        return {"type": "about:blank", "title": self.message, "detail": self.message, "recovery": self.recovery}


class Unreachable(ClientError):
    """No gateway answers, or the connection was lost."""


class NotRunning(Unreachable):
    """The address of a gateway is unknown."""


class BadResponse(ClientError):
    """The response is not that of a Retake gateway."""


class TransferFailed(ClientError):
    """A download failed repeatedly."""


class ProblemError(ClientError):
    """The gateway refused a request or failed: an RFC 9457 problem. `extensions` has the fields of its type."""

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
        """The exception of this problem's type; of an unknown type, the one for its status."""
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
    """No token, or an invalid one."""

    slug = "unauthenticated"


class SpendCapReached(ProblemError):
    slug = "spend-cap-reached"


class Forbidden(ProblemError):
    slug = "forbidden"

    @property
    def required_role(self) -> str | None:
        return self.extensions.get("required_role")


class NotFound(ProblemError):
    """It does not exist, or the caller has no access to it."""

    slug = "not-found"


class Busy(ProblemError):
    """The asset has an active run, or the episode an active batch."""

    slug = "busy"

    @property
    def active_id(self) -> str | None:
        return self.extensions.get("active_id")


class AlreadyDecided(ProblemError):
    """The run was decided before, or its review expired."""

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
    """It was deleted by retention."""

    slug = "gone"


class LinkExpired(ProblemError):
    """A media link has expired: fetch its resource again for a new one."""

    slug = "link-expired"


class Stale(ProblemError):
    """It was edited after it was read."""

    slug = "stale"

    @property
    def etag(self) -> str | None:
        return self.extensions.get("etag")


class TooLarge(ProblemError):
    slug = "too-large"


class StorageFull(ProblemError):
    """The project stores `used` bytes of at most `limit`."""

    slug = "storage-full"

    @property
    def limit(self) -> int | None:
        return self.extensions.get("limit")

    @property
    def used(self) -> int | None:
        return self.extensions.get("used")


class RangeNotSatisfiable(ProblemError):
    slug = "range-not-satisfiable"


class Invalid(ProblemError):
    """The request does not match the schema; `errors` has the details."""

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
    """The gateway failed; repeating the request with the same idempotency key is safe."""

    slug = "internal"
