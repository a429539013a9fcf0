"""Parts of the OpenAPI document that routes share: problems with their examples, headers, security schemes."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel

from services.gateway.api.problems import MEDIA_TYPE
from services.gateway.domain.problems import KINDS, Slug

TITLE: Final = "Retake"
CONTACT: Final = {"name": "The operators of this installation"}
LICENSE: Final = {"name": "Apache-2.0", "identifier": "Apache-2.0"}
DESCRIPTION: Final = """
Regenerate parts of an AI video and review every result before it becomes part of the film.

Paths are below `/api/v1`. Authenticate with a bearer token; GET and HEAD also accept the session cookie, streams a
ticket, and media the signature in their URL. Every response that is not a success is a problem (RFC 9457): switch on
its `type`. Send an `Idempotency-Key` with a POST to repeat it safely: a repeat within 24 hours gets the first response
again. Long work answers 202; `Prefer: wait=N` holds the response until the work has come to rest. Live updates are
server-sent events.
"""

_STATUSES: Final = """The step-by-step workflow: short routes for the videos of segments.

A segment's `status` and `approval_status` follow from the newest run of its video:

- none yet: pending, null
- requested, queued, generating: generating, null (needs_revision if it follows a rejection)
- a preview waits: completed, null
- accepted, committed: completed, approved
- rejected: completed, rejected (needs_revision if changes were suggested)
- failed: failed, null
- expired, cancelled: as before that run

`committed_version` is the version that films use, `waiting_run_id` the run to decide on.
"""

TAGS: Final = [
    {"name": "accounts", "description": "Tokens, sessions, tickets and the authenticated user."},
    {"name": "projects", "description": "Projects, settings, members, uploads and activity."},
    {"name": "shares", "description": "Links that open one episode to people without an account."},
    {"name": "episodes", "description": "Episodes with their segments, order and assets."},
    {"name": "runs", "description": "Runs, versions and reviews of assets."},
    {"name": "batches", "description": "The generation of many segments under one policy."},
    {"name": "films", "description": "Films: compilations of committed versions."},
    {"name": "events", "description": "Streams of server-sent events."},
    {"name": "media", "description": "Media files, with Range requests."},
    {"name": "workflow", "description": _STATUSES},
    {"name": "operations", "description": "Health and metrics."},
]

_COMMON: Final = (
    Slug.MALFORMED,
    Slug.UNAUTHENTICATED,
    Slug.FORBIDDEN,
    Slug.NOT_FOUND,
    Slug.METHOD_NOT_ALLOWED,
    Slug.NOT_ACCEPTABLE,
    Slug.RATE_LIMITED,
    Slug.INTERNAL,
    Slug.UNAVAILABLE,
    Slug.INVALID,
)
WITH_BODY: Final = (Slug.TOO_LARGE, Slug.UNSUPPORTED_MEDIA_TYPE)
POST: Final = (Slug.IDEMPOTENCY_IN_FLIGHT, Slug.IDEMPOTENCY_MISMATCH)
CONDITIONAL: Final = (Slug.STALE, Slug.PRECONDITION_REQUIRED)
WORK: Final = (Slug.BUSY, Slug.SPEND_CAP_REACHED, Slug.STORAGE_FULL)

Responses = dict[int | str, dict[str, Any]]


def problem_example(slug: Slug) -> dict[str, Any]:
    kind = KINDS[slug]
    return {
        "type": f"/problems/{slug}",
        "title": kind.title,
        "status": kind.status,
        "detail": kind.title + ".",
        "instance": "/api/v1/…",
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
        "recovery": kind.recovery,
        **kind.extensions,
    }


def errors(*slugs: Slug) -> Responses:
    """The problems of a route by status: these and the common ones."""
    by_status: dict[int, list[Slug]] = {}
    for slug in sorted({*slugs, *_COMMON}, key=lambda s: (KINDS[s].status, s)):
        by_status.setdefault(KINDS[slug].status, []).append(slug)
    return {status: problems_response(*found) for status, found in by_status.items()}


def problems_response(*slugs: Slug) -> dict[str, Any]:
    """The response of one status, with an example of each of its problems."""
    response: dict[str, Any] = {
        "description": "; ".join(f"{slug}: {KINDS[slug].title}" for slug in slugs),
        "content": {
            MEDIA_TYPE: {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "examples": {slug.value: {"value": problem_example(slug)} for slug in slugs},
            }
        },
    }
    if {Slug.RATE_LIMITED, Slug.UNAVAILABLE, Slug.IDEMPOTENCY_IN_FLIGHT} & set(slugs):
        response["headers"] = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}
    return response


def answers(
    model: type[BaseModel] | None,
    *slugs: Slug,
    status: int = 200,
    description: str = "Success",
    headers: tuple[str, ...] = (),
    also: dict[int, str] | None = None,
    filters: str = "",
    not_modified: bool = False,
    dry_run: type[BaseModel] | None = None,
) -> dict[str, Any]:
    """Keyword arguments for a route: its success (also under other statuses), its problems, the fields that its list
    can be filtered by (with spaces between). `not_modified`: it takes If-None-Match. `dry_run`: what a request with
    it gets."""
    success: dict[str, Any] = {"description": description}
    if model is not None:
        success["model"] = model
    if headers:
        success["headers"] = {name: _HEADERS[name] for name in headers}
    responses: Responses = errors(*slugs) | {status: success}
    for other, said in (also or {}).items():
        responses[other] = success | {"description": said}
    if dry_run is not None:
        at_rest = responses.get(200)
        found: Any = dry_run if at_rest is None else at_rest["model"] | dry_run
        said = "With `dry_run`: the estimate." + (f" Else: {at_rest['description']}" if at_rest else "")
        responses[200] = {"description": said, "model": found}
    if not_modified:
        responses[304] = {"description": "Not changed since the response with this ETag."}
    extra = {"openapi_extra": {"parameters": [_filter(name) for name in filters.split()]}} if filters else {}
    return {"status_code": status, "responses": responses, "response_model": None} | extra


def _filter(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "required": False,
        "schema": {"type": "string"},
        "description": f"Only those with this {name.replace('_', ' ')}; a comma means OR.",
    }


_HEADERS: Final[dict[str, Any]] = {
    "ETag": {
        "description": "The revision, for If-Match: counts human edits only. Snapshots add a mark of their content.",
        "schema": {"type": "string"},
    },
    "Preference-Applied": {"description": "`wait=N`, if the answer was held.", "schema": {"type": "string"}},
}

SHARED_HEADERS: Final[dict[str, Any]] = {
    "Location": {
        "description": "The path of the resource.",
        "schema": {"type": "string"},
        "example": "/api/v1/runs/01980000-0000-7000-8000-000000000001",
    },
    "RateLimit-Policy": {
        "description": "The caller's quota `q` of requests per window of `w` seconds. Media are "
        "not counted: their answers carry none.",
        "schema": {"type": "string"},
        "example": '"user";q=600;w=60',
    },
    "RateLimit": {
        "description": "The rest of the quota: `r` requests for the next `t` seconds.",
        "schema": {"type": "string"},
        "example": '"user";r=582;t=31',
    },
    "Retry-After": {
        "description": "Seconds to wait before the request is repeated.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
        "example": 2,
    },
    "WWW-Authenticate": {
        "description": "The authentication scheme.",
        "required": True,
        "schema": {"type": "string"},
        "example": "Bearer",
    },
    "Allow": {
        "description": "The methods of the path.",
        "required": True,
        "schema": {"type": "string"},
        "example": "GET, HEAD",
    },
    "Idempotency-Replayed": {
        "description": "`true`: the stored response to this key.",
        "schema": {"type": "string", "const": "true"},
        "example": "true",
    },
}
"""Of many answers, written once in the document's components."""

SECURITY: Final = {
    "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    "session": {"type": "apiKey", "in": "cookie", "name": "retake_session", "description": "GET and HEAD only."},
    "ticket": {"type": "apiKey", "in": "query", "name": "ticket", "description": "Streams only; 30 s, one use."},
    "signature": {"type": "apiKey", "in": "query", "name": "sig", "description": "Media only, in their URLs."},
}


IDEMPOTENCY_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
    "description": (
        "A repeat of the request within 24 hours gets the first response, with `Idempotency-Replayed: true`."
    ),
    "examples": {"uuid": {"value": "0b0e7ac2-6a2f-4d5a-9a52-0f5f0a5c7b11"}},
}
