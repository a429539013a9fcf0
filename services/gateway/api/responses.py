"""Successful responses: JSON as it goes out, and the headers that many routes share."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256

from starlette.requests import Request
from starlette.responses import Response

from services.gateway.api.middleware.auth import API
from services.gateway.api.ranges import matches
from services.gateway.api.schemas.base import Resource, Revised


@dataclass(frozen=True)
class Result:
    """The success of a command. `body` None: no content; a string: JSON that was rendered before."""

    status: int
    body: Resource | str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    decision_id: str | None = None
    """The decision that the command submitted; the review service answers it later."""

    @property
    def text(self) -> str:
        match self.body:
            case None:
                return ""
            case str():
                return self.body
            case Resource():
                return self.body.model_dump_json(by_alias=True)

    def response(self) -> Response:
        if self.body is None:
            return Response(status_code=self.status, headers=dict(self.headers))
        return Response(self.text, self.status, dict(self.headers), media_type="application/json")


def created(body: Revised, path: str) -> Result:
    """201 with the resource, its Location and its ETag."""
    return Result(201, body, location(path) | etag(body.revision))


def accepted(body: Resource, path: str, *, decision_id: str | None = None) -> Result:
    """202 with the resource that the work is about, and its Location."""
    return Result(202, body, location(path), decision_id)


def changed(body: Revised) -> Result:
    """200 with the resource as it is now, and its ETag."""
    return Result(200, body, etag(body.revision))


NO_CONTENT = Result(204)


def json_response(body: Resource, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Result(status, body, headers or {}).response()


def with_etag(body: Revised) -> Response:
    return json_response(body, headers=etag(body.revision))


def snapshot_response(request: Request, body: Revised, *, ignored: str) -> Response:
    """A GET with an ETag that also changes with the content, and 304 if the client has it. `ignored`: a value in the
    body that does not count, such as a position that other projects move."""
    text = Result(200, body).text
    content = sha256(text.replace(json.dumps(ignored), '""', 1).encode()).hexdigest()[:16]
    headers = {"ETag": f'"{body.revision}-{content}"'}
    if matches(request.headers.get("if-none-match"), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(text, headers=headers, media_type="application/json")


def etag(revision: int) -> dict[str, str]:
    return {"ETag": f'"{revision}"'}


def location(path: str) -> dict[str, str]:
    """`path` is relative to /api/v1."""
    return {"Location": f"{API}{path}"}
