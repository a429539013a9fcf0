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
    Slug.MALFORMED: _kind(400, "The request cannot be read", "Fix the client."),
    Slug.METHOD_NOT_ALLOWED: _kind(405, "This path has no such method", "Fix the client; Allow names the methods."),
    Slug.NOT_ACCEPTABLE: _kind(406, "None of the accepted types can be served", "Fix the client's Accept header."),
    Slug.UNSUPPORTED_MEDIA_TYPE: _kind(
        415, "The body has a type that is not taken", "Fix the Content-Type or the file."
    ),
    Slug.UNAUTHENTICATED: _kind(401, "Nobody is signed in", "Send a new token, or get a new ticket."),
    Slug.SPEND_CAP_REACHED: _kind(
        402,
        "The project's spend cap is reached",
        "Ask an owner to raise it.",
        cap={"amount": "50.00", "currency": "USD", "period": "month"},
        spent={"amount": "49.80", "currency": "USD"},
    ),
    Slug.FORBIDDEN: _kind(
        403, "Your role does not allow this", "Ask an owner for a higher role.", required_role="editor"
    ),
    Slug.NOT_FOUND: _kind(404, "Absent, or not yours", "Stop; check the id, or ask an owner for access."),
    Slug.BUSY: _kind(409, "It is being worked on", "Watch or cancel what is active, then repeat.", active_id=_ID),
    Slug.ALREADY_DECIDED: _kind(
        409,
        "The decision was made, or its time is over",
        "Refresh; reopen the preview.",
        outcome="accepted",
        review_id=_ID,
    ),
    Slug.INVALID_STATE: _kind(
        409,
        "Its state does not allow this",
        "Refresh; it has moved on.",
        current="complete",
        allowed=["queued", "generating"],
    ),
    Slug.IDEMPOTENCY_IN_FLIGHT: _kind(
        409, "The first request with this key is still being answered", "Repeat after Retry-After."
    ),
    Slug.RATE_LIMITED: _kind(429, "Too many requests", "Repeat after Retry-After.", policy="user"),
    Slug.UNAVAILABLE: _kind(503, "Not available at the moment", "Repeat after Retry-After, with the same key."),
    Slug.GONE: _kind(410, "Retention has deleted it", "Regenerate it."),
    Slug.LINK_EXPIRED: _kind(410, "The link has expired", "GET its resource for a new link."),
    Slug.STALE: _kind(412, "It was changed in the meantime", "Fetch it again, merge, retry.", etag='"7"'),
    Slug.TOO_LARGE: _kind(413, "The body is too large", "Send less.", limit=1_048_576),
    Slug.RANGE_NOT_SATISFIABLE: _kind(416, "The range lies outside of the file", "Drop the Range header."),
    Slug.INVALID: _kind(
        422,
        "Some fields are not right",
        "Fix the named fields.",
        errors=[{"pointer": "/rating", "detail": "rating must be at most 5."}],
    ),
    Slug.NOT_COMPILABLE: _kind(
        422,
        "Some segments cannot go into a film",
        "Approve them, or leave them out.",
        segments=[{"segment_id": _ID, "segment_number": 5, "reason": "unapproved"}],
    ),
    Slug.IDEMPOTENCY_MISMATCH: _kind(422, "This key was used for another request", "Use a new key."),
    Slug.PRECONDITION_REQUIRED: _kind(428, "This change needs If-Match", "Send If-Match with the ETag that you saw."),
    Slug.INTERNAL: _kind(500, "Something broke on our side", "Repeat with the same key; report the trace_id."),
}
