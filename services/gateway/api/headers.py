"""Request headers and query parameters that many routes share, parsed.

Dependencies are coroutines even if they wait for nothing: the framework runs plain functions in threads.
"""

from __future__ import annotations

import re
from typing import Annotated, Final

from fastapi import Depends, Header, Query, Request

from services.gateway.api.problems import ProblemError, invalid
from services.gateway.api.schemas.base import Moment
from services.gateway.domain.paging import DEFAULT_LIMIT, MAX_LIMIT, Page, decode_cursor
from services.gateway.domain.problems import Slug
from shared.contracts.messages import message

MAX_WAIT_S: Final = 60
_ETAG: Final = re.compile(r'^"([0-9]{1,9})(?:-[0-9a-f]{16})?"$')  # of a snapshot, also of its content
_WAIT: Final = re.compile(r"^wait=0*([0-9]+)$")


async def if_match(
    value: Annotated[
        str | None,
        Header(
            alias="If-Match",
            description=("The ETag of the resource that you read, or `*` to overwrite any revision."),
            examples=["*", '"7"'],
            json_schema_extra={"pattern": r'^(\*|"[0-9]{1,9}(-[0-9a-f]{16})?")$'},
        ),
    ] = None,
) -> int | None:
    """The revision; None for `*`. An ETag that is not ours matches no revision."""
    if value is None or not value.strip():
        raise ProblemError(Slug.PRECONDITION_REQUIRED)
    if value.strip() == "*":
        return None
    found = _ETAG.match(value.strip())
    return int(found.group(1)) if found else -1


IfMatch = Annotated[int | None, Depends(if_match)]


IfNoneMatch = Annotated[
    str | None,
    Header(
        alias="If-None-Match",
        description="The ETag of the response that you have: 304 if it is still the same.",
        examples=['"7-0123456789abcdef"'],
    ),
]
"""Documents the header; `snapshot_response` reads it."""


class Preference:
    """`Prefer: wait=N` and `Prefer: respond-async` (RFC 7240)."""

    def __init__(self, prefer: str | None) -> None:
        self.wait_s: int | None = None
        self.respond_async = False
        for part in re.split(r"[,;]", prefer or ""):
            name = part.strip().lower()
            if name == "respond-async":
                self.respond_async = True
            elif found := _WAIT.match(name):
                digits = found.group(1)
                self.wait_s = min(int(digits), MAX_WAIT_S) if len(digits) <= 4 else MAX_WAIT_S

    @property
    def applied(self) -> dict[str, str]:
        return {"Preference-Applied": f"wait={self.wait_s}"}


async def preference(
    prefer: Annotated[
        str | None,
        Header(
            alias="Prefer",
            description=(
                "`wait=N` (at most 60 seconds) holds the response until the work is at rest; "
                "`respond-async` does not wait."
            ),
            examples=["wait=10"],
        ),
    ] = None,
) -> Preference:
    return Preference(prefer)


Prefer = Annotated[Preference, Depends(preference)]

_FILTERS: Final = (
    "kind",
    "status",
    "action",
    "provider",
    "stale",
    "project_id",
    "episode_id",
    "segment_id",
    "asset_id",
    "run_id",
    "version_id",
    "batch_id",
)


async def page(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Items per page.")] = DEFAULT_LIMIT,
    cursor: Annotated[str | None, Query(description="The `next_cursor` of the previous page.")] = None,
    created_after: Annotated[Moment | None, Query(description="Only items created after this time.")] = None,
    created_before: Annotated[Moment | None, Query(description="Only items created before this time.")] = None,
) -> Page:
    """Filters by the items' own fields: see each list's description. A comma means OR."""
    filters = {
        name: tuple(v for value in request.query_params.getlist(name) for v in value.split(",") if v)
        for name in _FILTERS
        if name in request.query_params
    }
    return Page(limit, _decode(cursor), created_after, created_before, filters)


Paging = Annotated[Page, Depends(page)]


def _decode(cursor: str | None) -> str | None:
    if cursor is None:
        return None
    try:
        return decode_cursor(cursor)
    except ValueError:
        raise invalid(("query:cursor", "is not a valid cursor; omit it to start over")) from None


async def json_only(request: Request) -> None:
    """A dependency of every JSON route: 406 and 415."""
    accepts(request, "application/json", "application/problem+json")
    has_body = request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers
    if has_body and request.method in ("POST", "PUT", "PATCH"):
        given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if given != "application/json" and not (given.startswith("application/") and given.endswith("+json")):
            raise ProblemError(
                Slug.UNSUPPORTED_MEDIA_TYPE, message("problem.body_not_json_type", given=given or "untyped")
            )


def accepts(request: Request, *served: str) -> None:
    """Refuses a request that takes none of these types."""
    accept = request.headers.get("accept", "").strip()
    if not accept:
        return
    for choice in accept.split(","):
        kind, *parameters = (p.strip().lower() for p in choice.split(";"))
        if any(re.fullmatch(r"q=0(\.0*)?", p) for p in parameters):
            continue
        if kind == "*/*" or any(kind in (s, s.partition("/")[0] + "/*") for s in served):
            return
    raise ProblemError(Slug.NOT_ACCEPTABLE, message("problem.not_acceptable", served=served[0]))
