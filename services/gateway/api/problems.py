"""Problems: every answer that is not a success is `application/problem+json` of one closed set (RFC 9457)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, Final

import asyncpg
import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from services.gateway.domain.errors import Refusal
from services.gateway.domain.problems import KINDS, Slug
from services.gateway.domain.validation_messages import describe_error, path_within, to_sentence
from shared.contracts.messages import message, problem_text
from shared.core.errors import Permanent, RetakeError, Retryable, UserError
from shared.messaging.outbox import TOO_LARGE
from shared.observability.tracing import current_trace_id
from shared.postgres.retry import UNAVAILABLE

log = structlog.get_logger(__name__)

MEDIA_TYPE: Final = "application/problem+json"
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
RETRY_AFTER_S: Final = 2  # what is unavailable (a restart, a failover) is mostly back within seconds


MAX_ERRORS: Final = 50  # errors that one answer lists
MAX_VALIDATED: Final = 1000  # of the framework's errors that are looked at
MAX_ERROR_TEXT: Final = 500  # characters of a pointer, or of what is wrong there

OF_STATUS: Final = {
    400: Slug.MALFORMED,
    401: Slug.UNAUTHENTICATED,
    403: Slug.FORBIDDEN,
    404: Slug.NOT_FOUND,
    405: Slug.METHOD_NOT_ALLOWED,
    406: Slug.NOT_ACCEPTABLE,
    413: Slug.TOO_LARGE,
    415: Slug.UNSUPPORTED_MEDIA_TYPE,
    416: Slug.RANGE_NOT_SATISFIABLE,
    429: Slug.RATE_LIMITED,
    503: Slug.UNAVAILABLE,
}
"""For errors that the framework raises."""


class ProblemError(HTTPException):
    """Raise it anywhere below the HTTP entrypoint."""

    def __init__(
        self,
        slug: Slug,
        detail: str = "",
        *,
        recovery: str = "",
        headers: Mapping[str, str] | None = None,
        **extensions: Any,
    ) -> None:
        kind = KINDS[slug]
        super().__init__(kind.status, detail or kind.title + ".", dict(headers) if headers else None)
        self.slug = slug
        self.recovery = recovery or kind.recovery
        self.extensions = extensions


def rate_limited(policy: str, seconds: int, detail: str) -> ProblemError:
    return ProblemError(Slug.RATE_LIMITED, detail, headers={"Retry-After": str(seconds)}, policy=policy)


def unavailable(detail: str, seconds: int = RETRY_AFTER_S) -> ProblemError:
    return ProblemError(Slug.UNAVAILABLE, detail, headers={"Retry-After": str(seconds)})


def invalid(*errors: tuple[str, str]) -> ProblemError:
    """Each error is (pointer, what is wrong there). Several errors of one field, as of the alternatives of
    a union, become one."""
    by_pointer: dict[str, list[str]] = {}
    for at, detail in errors:
        if detail not in by_pointer.setdefault(at, []):
            by_pointer[at].append(detail)
    listed = [
        {"pointer": shortened(at), "detail": shortened(to_sentence(at, ", or ".join(details)))}
        for at, details in islice(by_pointer.items(), MAX_ERRORS)
    ]
    if more := len(by_pointer) - len(listed):
        listed.append({"pointer": "", "detail": message("problem.errors_unlisted", count=more)})
    return ProblemError(Slug.INVALID, " ".join(e["detail"] for e in listed), errors=listed)


def shortened(text: str) -> str:
    """A text that may quote what the client sent, cut to a length that can be read."""
    return text if len(text) <= MAX_ERROR_TEXT else text[: MAX_ERROR_TEXT - 1] + "…"


def members(error: ProblemError, instance: str) -> dict[str, Any]:
    """The members of its problem object."""
    return {
        "type": f"/problems/{error.slug}",
        "title": KINDS[error.slug].title,
        "status": error.status_code,
        "detail": error.detail,
        "instance": instance,
        "trace_id": current_trace_id(),
        "recovery": error.recovery,
        **error.extensions,
    }


def render(error: ProblemError, instance: str) -> Response:
    body = members(error, instance)
    return Response(
        json.dumps(body, ensure_ascii=False, default=str), error.status_code, error.headers, media_type=MEDIA_TYPE
    )


def of(error: Exception) -> ProblemError:
    """The problem that an exception means to the client."""
    match error:
        case ProblemError():
            return error
        case Refusal(slug="invalid"):
            return invalid(*((e["pointer"], e["detail"]) for e in error.extensions["errors"]))
        case Refusal():
            later = {"Retry-After": str(math.ceil(error.delay_s))} if error.delay_s else None
            return ProblemError(
                Slug(error.slug), error.cause, recovery=error.recovery, headers=later, **error.extensions
            )
        case RequestValidationError():
            return _of_validation(error.errors(), error.body)
        case HTTPException():
            slug = OF_STATUS.get(error.status_code, Slug.INTERNAL)
            detail = "" if slug in (Slug.NOT_FOUND, Slug.METHOD_NOT_ALLOWED) else str(error.detail)
            return ProblemError(slug, detail, headers=error.headers)
        case Retryable():
            return unavailable(error.cause, max(1, round(error.delay_s or RETRY_AFTER_S)))
        case UserError() if error.code == "too_large":
            return ProblemError(Slug.TOO_LARGE, error.cause, recovery=error.recovery)
        case Permanent() if error.code == TOO_LARGE:
            cause, recovery = problem_text("event_too_large")
            return ProblemError(
                Slug.INVALID, cause, recovery=recovery, errors=[{"pointer": "", "detail": f"{cause} {recovery}"}]
            )
        case UserError():
            return ProblemError(
                Slug.INVALID, error.cause, recovery=error.recovery, errors=[{"pointer": "", "detail": error.cause}]
            )
        case asyncpg.DataError():  # what no column can hold, such as a number beyond its range
            return ProblemError(
                Slug.INVALID,
                message("problem.value_unstorable"),
                errors=[{"pointer": "", "detail": "contains a value that is out of range or cannot be stored"}],
            )
        case _ if isinstance(error, UNAVAILABLE):
            return unavailable(message("problem.database_away"))
        case _:
            return ProblemError(Slug.INTERNAL)


def _of_validation(errors: Sequence[Any], body: Any) -> ProblemError:
    for e in errors:
        if e["loc"][0] == "path":  # there is nothing by that name
            return ProblemError(Slug.NOT_FOUND)
        if e["type"] == "json_invalid":
            reason = e.get("ctx", {}).get("error", "not JSON")
            return ProblemError(Slug.MALFORMED, message("problem.body_not_json", reason=reason, at=e["loc"][-1]))
    return invalid(*((pointer(e, body), describe_error(e)) for e in errors[:MAX_VALIDATED]))


def pointer(error: Mapping[str, Any], body: Any) -> str:
    """A JSON Pointer (RFC 6901) into the body; `query:limit`, `header:…` for what is not in the body."""
    where, *path = error["loc"]
    if where != "body":
        return f"{where}:{path[0] if path else ''}"
    path = path_within(path, body, missing=error["type"] == "missing")
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def install(app: FastAPI) -> None:
    """Makes every exception below the app a problem. What nobody classed is logged with its traceback."""

    async def answer(request: Request, error: Exception) -> Response:
        problem = of(error)
        if problem.slug is Slug.METHOD_NOT_ALLOWED:  # the framework names the methods of one route of several
            problem.headers = {"Allow": ", ".join(_allowed(request))}
        elif problem.slug is Slug.INTERNAL:
            log.error("http.crashed", path=request.url.path, method=request.method, exc_info=error)
        elif problem.slug is Slug.UNAVAILABLE:
            log.warning("http.unavailable", path=request.url.path, error=repr(error))
        return render(problem, request.url.path)

    def _allowed(request: Request) -> list[str]:
        """Every method that this path answers."""
        found = [
            method
            for method in METHODS
            if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in app.routes)
        ]
        stream = request.scope["path"].endswith("/events")  # the only GETs without a HEAD: they never end
        return [*found, "HEAD"] if "GET" in found and "HEAD" not in found and not stream else found

    for kind in (HTTPException, RequestValidationError, RetakeError, asyncpg.DataError, *UNAVAILABLE, Exception):
        app.add_exception_handler(kind, answer)
