"""Every failure is one of the published problems, and says what to do."""

from __future__ import annotations

import json
import re
from typing import Any, get_args

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict

from client import errors as client_errors
from services.gateway.api import problems
from services.gateway.api.middleware.errors import ErrorMiddleware
from services.gateway.api.problems import ProblemError
from services.gateway.domain.errors import Refusal, busy, invalid, stale
from services.gateway.domain.errors import Slug as RefusalSlug
from services.gateway.domain.problems import KINDS, Slug
from shared.core.errors import Retryable, UserError

# The closed set as the API publishes it.
PUBLISHED = {
    400: {"malformed"},
    401: {"unauthenticated"},
    402: {"spend-cap-reached"},
    403: {"forbidden"},
    404: {"not-found"},
    405: {"method-not-allowed"},
    406: {"not-acceptable"},
    409: {"busy", "already-decided", "invalid-state", "idempotency-in-flight"},
    410: {"gone", "link-expired"},
    412: {"stale"},
    413: {"too-large", "storage-full"},
    415: {"unsupported-media-type"},
    416: {"range-not-satisfiable"},
    422: {"invalid", "not-compilable", "idempotency-mismatch"},
    428: {"precondition-required"},
    429: {"rate-limited"},
    500: {"internal"},
    503: {"unavailable"},
}


def test_the_set_is_the_published_one() -> None:
    found: dict[int, set[str]] = {}
    for slug, kind in KINDS.items():
        found.setdefault(kind.status, set()).add(slug.value)
    assert found == PUBLISHED
    assert all(kind.recovery for kind in KINDS.values())


def test_every_refusal_has_its_problem_type_and_every_type_its_exception_in_the_client() -> None:
    types = {slug.value for slug in KINDS}
    assert set(Slug) == types
    assert set(get_args(RefusalSlug)) <= types, "of domain/errors.py, without a row in domain/problems.py"
    for slug in types:
        kind = client_errors.ProblemError.of(400, {"type": f"/problems/{slug}"})
        assert kind.slug == slug, f"client/errors.py has no exception for {slug}"


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    count: int


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    inner: list[Inner]


def failing_app() -> Any:
    app = FastAPI()
    problems.install(app)
    failures: dict[str, Exception] = {
        "busy": busy("asset", "run-1"),
        "stale": stale(7),
        "refused": invalid(("/segments/0/title", "is required")),
        "retryable": Retryable("store", "The store is away.", delay_s=7),
        "quota": Refusal("rate-limited", "Enough for today.", "Come back.", delay_s=7.2, policy="generations"),
        "too_large": UserError("too_large", "Too large.", "Shrink it."),
        "user": UserError("bad", "That is wrong.", "Do it right."),
        "postgres": asyncpg.CannotConnectNowError("starting up"),
        "pool": TimeoutError(),
        "value": asyncpg.NumericValueOutOfRangeError("integer out of range"),
        "crash": RuntimeError("secret detail"),
        "problem": ProblemError(Slug.NOT_COMPILABLE, segments=[{"segment_id": "s", "reason": "repeated"}]),
    }

    @app.get("/fail/{how}")
    async def fail(how: str, n: int = 0) -> None:
        raise failures[how]

    @app.post("/take")
    async def take(body: Outer) -> None:
        return None

    return ErrorMiddleware(app, local_mode=False)


async def call(method: str, url: str, **more: Any) -> httpx.Response:
    transport = httpx.ASGITransport(failing_app())
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.request(method, url, **more)


@pytest.mark.parametrize(
    ("how", "status", "slug", "extensions"),
    [
        ("busy", 409, "busy", {"active_id": "run-1"}),
        ("stale", 412, "stale", {"etag": '"7"'}),
        (
            "refused",
            422,
            "invalid",
            {"errors": [{"pointer": "/segments/0/title", "detail": "segments[0].title is required."}]},
        ),
        ("retryable", 503, "unavailable", {}),
        ("quota", 429, "rate-limited", {"policy": "generations"}),
        ("too_large", 413, "too-large", {}),
        ("user", 422, "invalid", {"errors": [{"pointer": "", "detail": "That is wrong."}]}),
        ("postgres", 503, "unavailable", {}),
        ("pool", 503, "unavailable", {}),
        ("value", 422, "invalid", {}),
        ("crash", 500, "internal", {}),
        ("problem", 422, "not-compilable", {"segments": [{"segment_id": "s", "reason": "repeated"}]}),
    ],
)
async def test_an_exception_becomes_its_problem(how: str, status: int, slug: str, extensions: dict[str, Any]) -> None:
    response = await call("GET", f"/fail/{how}?secret=1")
    body = response.json()
    assert (response.status_code, body["type"]) == (status, f"/problems/{slug}")
    assert response.headers["content-type"] == "application/problem+json"
    assert body["status"] == status
    assert body["instance"] == f"/fail/{how}"  # without the query: it may hold a ticket
    assert body["recovery"]
    assert re.fullmatch(r"[0-9a-f]{32}", body["trace_id"])
    assert extensions.items() <= body.items()
    assert "secret detail" not in response.text


async def test_retry_after_tells_when_to_come_back() -> None:
    assert (await call("GET", "/fail/retryable")).headers["retry-after"] == "7"
    assert (await call("GET", "/fail/quota")).headers["retry-after"] == "8"
    assert int((await call("GET", "/fail/postgres")).headers["retry-after"]) >= 1


async def test_what_the_framework_refuses_is_a_problem_too() -> None:
    assert (await call("GET", "/nowhere")).json()["type"] == "/problems/not-found"
    wrong_method = await call("DELETE", "/take")
    assert wrong_method.json()["type"] == "/problems/method-not-allowed"
    assert wrong_method.headers["allow"] == "POST"
    not_json = await call("POST", "/take", content=b'{"inner": [', headers={"content-type": "application/json"})
    assert (not_json.status_code, not_json.json()["type"]) == (400, "/problems/malformed")


async def test_each_wrong_field_is_named_by_a_json_pointer() -> None:
    response = await call("POST", "/take", json={"inner": [{"count": 1}, {"count": "x", "a/b~": 1}]})
    pointers = {e["pointer"] for e in response.json()["errors"]}
    assert pointers == {"/inner/1/count", "/inner/1/a~1b~0"}
    query = await call("GET", "/fail/busy?n=x")
    assert [e["pointer"] for e in query.json()["errors"]] == ["query:n"]


async def test_an_answer_that_has_begun_is_cut_off_and_not_followed_by_another() -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("in the middle")

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b""}
    with pytest.raises(RuntimeError, match="in the middle"):
        await ErrorMiddleware(broken, local_mode=False)(scope, receive, send)
    assert [m["type"] for m in sent] == ["http.response.start"]


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8080", 404),
        ("127.0.0.1", 404),
        ("[::1]:8080", 404),
        ("LOCALHOST", 404),
        ("evil.example", 400),
        ("localhost.evil.example", 400),
        ("127.0.0.1.nip.io:80", 400),
        ("", 400),
    ],
)
async def test_local_mode_answers_only_this_machine(host: str, status: int) -> None:
    app = FastAPI()
    problems.install(app)
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/x",
        "raw_path": b"/x",
        "headers": [(b"host", host.encode())],
        "query_string": b"",
        "scheme": "http",
        "root_path": "",
    }
    await ErrorMiddleware(app, local_mode=True)(scope, receive, send)
    assert sent[0]["status"] == status
    assert json.loads(sent[1]["body"])["status"] == status
