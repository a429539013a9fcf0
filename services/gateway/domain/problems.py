"""The closed set of problem types: what is always true of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final


class Slug(StrEnum):
    MALFORMED = "malformed"
    METHOD_NOT_ALLOWED = "method-not-allowed"
    NOT_ACCEPTABLE = "not-acceptable"
    UNSUPPORTED_MEDIA_TYPE = "unsupported-media-type"
    UNAUTHENTICATED = "unauthenticated"
    SPEND_CAP_REACHED = "spend-cap-reached"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not-found"
    BUSY = "busy"
    ALREADY_DECIDED = "already-decided"
    INVALID_STATE = "invalid-state"
    IDEMPOTENCY_IN_FLIGHT = "idempotency-in-flight"
    RATE_LIMITED = "rate-limited"
    UNAVAILABLE = "unavailable"
    GONE = "gone"
    LINK_EXPIRED = "link-expired"
    STALE = "stale"
    TOO_LARGE = "too-large"
    STORAGE_FULL = "storage-full"
    RANGE_NOT_SATISFIABLE = "range-not-satisfiable"
    INVALID = "invalid"
    NOT_COMPILABLE = "not-compilable"
    IDEMPOTENCY_MISMATCH = "idempotency-mismatch"
    PRECONDITION_REQUIRED = "precondition-required"
    INTERNAL = "internal"


@dataclass(frozen=True)
class Kind:
    """What is always true of a problem of this type. `extensions`: the members that it adds, with an example each."""

    status: int
    title: str
    recovery: str
    extensions: Mapping[str, Any]


def _kind(status: int, title: str, recovery: str, **extensions: Any) -> Kind:
    return Kind(status, title, recovery, extensions)


_ID: Final = "01980000-0000-7000-8000-000000000001"

KINDS: Final[Mapping[Slug, Kind]] = {
    Slug.MALFORMED: _kind(400, "Malformed request", "Correct the request."),
    Slug.METHOD_NOT_ALLOWED: _kind(405, "Method not allowed", "Use one of the methods in the Allow header."),
    Slug.NOT_ACCEPTABLE: _kind(406, "Not acceptable", "Correct the Accept header."),
    Slug.UNSUPPORTED_MEDIA_TYPE: _kind(
        415, "Unsupported media type", "Correct the Content-Type, or send another file."
    ),
    Slug.UNAUTHENTICATED: _kind(401, "Authentication required", "Send a valid token, or get a new ticket."),
    Slug.SPEND_CAP_REACHED: _kind(
        402,
        "Spend cap reached",
        "Ask an owner of the project to raise it.",
        cap={"amount": "50.00", "currency": "USD", "period": "month"},
        spent={"amount": "49.80", "currency": "USD"},
    ),
    Slug.FORBIDDEN: _kind(403, "Forbidden", "Ask an owner of the project for a higher role.", required_role="editor"),
    Slug.NOT_FOUND: _kind(404, "Not found", "Check the id, or ask an owner of the project for access."),
    Slug.BUSY: _kind(
        409, "Work is in progress", "Wait for the active work or cancel it, then repeat the request.", active_id=_ID
    ),
    Slug.ALREADY_DECIDED: _kind(
        409,
        "Already decided or expired",
        "Refresh; reopen the run to decide again.",
        outcome="accepted",
        review_id=_ID,
    ),
    Slug.INVALID_STATE: _kind(
        409,
        "Not allowed in the current state",
        "Refresh to see the current state.",
        current="complete",
        allowed=["queued", "generating"],
    ),
    Slug.IDEMPOTENCY_IN_FLIGHT: _kind(
        409, "A request with this Idempotency-Key is in progress", "Repeat the request after Retry-After."
    ),
    Slug.RATE_LIMITED: _kind(429, "Too many requests", "Repeat the request after Retry-After.", policy="user"),
    Slug.UNAVAILABLE: _kind(
        503, "Service unavailable", "Repeat the request after Retry-After, with the same Idempotency-Key."
    ),
    Slug.GONE: _kind(410, "Deleted by retention", "Regenerate it."),
    Slug.LINK_EXPIRED: _kind(410, "Link expired", "GET the resource for a new link."),
    Slug.STALE: _kind(
        412,
        "Changed by someone else",
        "Fetch the resource again, merge your changes and repeat the request.",
        etag='"7"',
    ),
    Slug.TOO_LARGE: _kind(413, "Request body too large", "Send a smaller body.", limit=1_048_576),
    Slug.STORAGE_FULL: _kind(
        413,
        "The project's storage is used up",
        "Delete episodes, segments or the project's films, or wait until rejected versions are deleted.",
        limit=200_000_000_000,
        used=199_900_000_000,
    ),
    Slug.RANGE_NOT_SATISFIABLE: _kind(416, "Range not satisfiable", "Omit the Range header."),
    Slug.INVALID: _kind(
        422,
        "Invalid fields",
        "Correct the fields in `errors`.",
        errors=[{"pointer": "/rating", "detail": "rating must be at most 5."}],
    ),
    Slug.NOT_COMPILABLE: _kind(
        422,
        "Some segments cannot be compiled",
        "Approve them, or omit them.",
        segments=[{"segment_id": _ID, "segment_number": 5, "reason": "unapproved"}],
    ),
    Slug.IDEMPOTENCY_MISMATCH: _kind(422, "Idempotency-Key used for another request", "Use a new key."),
    Slug.PRECONDITION_REQUIRED: _kind(
        428, "If-Match required", "Send If-Match with the ETag of the resource that you read."
    ),
    Slug.INTERNAL: _kind(
        500,
        "Internal server error",
        "Repeat the request with the same Idempotency-Key; if it fails again, report the trace_id.",
    ),
}
