"""The transport under Replicate's client: what the client alone would lose, repeat, wait for or give away."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from services.generator.providers.base import ProviderHalted, SubmissionUnknown
from services.generator.providers.replicate.api import NotFound, ReplicateApi
from services.generator.providers.replicate.settings import ReplicateSettings
from shared.core.errors import RetakeError, Retryable
from tests.support.virtual_time import LoopClock, virtual_time

FOLDER = Path(__file__).resolve().parents[3] / "services/generator/providers/replicate"
MODEL = "google/nano-banana"
BODY: dict[str, Any] = {"input": {"prompt": "x"}}
Answer = Callable[[httpx.Request], httpx.Response]


class Server:
    """Answers every request with `answer`, and records the requests."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self.answer: Answer = lambda request: httpx.Response(201, json={"id": "p"})

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self.answer(request)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest_asyncio.fixture
async def api(server: Server) -> AsyncIterator[ReplicateApi]:
    settings = ReplicateSettings(api_token="r8_test", request_s=7.0, cancel_after_s=90)
    opened = ReplicateApi(settings, LoopClock(), httpx.MockTransport(server))
    yield opened
    await opened.close()


async def test_a_new_prediction_is_bounded_in_time_and_in_cost(api: ReplicateApi, server: Server) -> None:
    assert (await api.create(MODEL, BODY | {"webhook": "https://hook.example"}))["id"] == "p"
    [request] = server.requests
    assert str(request.url) == f"https://api.replicate.com/v1/models/{MODEL}/predictions"
    assert request.headers["cancel-after"] == "90s"
    assert request.headers["authorization"] == "Bearer r8_test"
    assert request.extensions["timeout"] == {"connect": 10.0, "read": 7.0, "write": 7.0, "pool": 7.0}


@pytest.mark.parametrize(
    "prediction",
    [
        {"id": "p"},
        {"id": "p", "status": "aborted", "version": "hidden"},
        {"id": "p", "status": "starting", "version": None, "error": {"code": 7}},
        {"id": "p", "unknown": [1], "urls": "none"},
    ],
)
async def test_an_answer_that_the_client_cannot_parse_loses_no_paid_id(
    api: ReplicateApi, server: Server, prediction: dict[str, Any]
) -> None:
    server.answer = lambda request: httpx.Response(201, json=prediction)
    assert await api.create(MODEL, BODY) == prediction
    assert await api.get("p") == prediction


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (lambda request: httpx.Response(503, headers={"retry-after": "1"}), SubmissionUnknown),
        (lambda request: httpx.Response(200, text="<html>"), SubmissionUnknown),
        (lambda request: httpx.Response(200, json=[]), SubmissionUnknown),
        (lambda request: httpx.Response(429), Retryable),
        (lambda request: httpx.Response(302, headers={"location": "https://elsewhere.example"}), RetakeError),
        (lambda request: httpx.Response(401), ProviderHalted),
    ],
)
@virtual_time
async def test_a_post_that_pays_is_never_repeated(
    api: ReplicateApi, server: Server, answer: Answer, error: type[Exception]
) -> None:
    server.answer = answer
    with pytest.raises(error):
        await api.create(MODEL, BODY)
    assert len(server.requests) == 1


@virtual_time
async def test_reads_are_repeated_by_us_a_bounded_number_of_times(api: ReplicateApi, server: Server) -> None:
    server.answer = lambda request: httpx.Response(503, headers={"retry-after": "9999"})
    clock = LoopClock()
    began = clock.monotonic()
    with pytest.raises(Retryable, match="503"):
        await api.get("p")
    assert len(server.requests) == 6, "not those of the client, ten for each of ours"
    assert clock.monotonic() - began == pytest.approx(5 * 120, abs=1), "Retry-After is respected up to two minutes"


async def test_the_token_goes_to_no_other_host(api: ReplicateApi, server: Server) -> None:
    for page in ("https://elsewhere.example/v1/predictions", "http://api.replicate.com:81/v1/predictions"):
        with pytest.raises(Retryable, match="another host"):
            await api.list(page)
    server.answer = lambda request: httpx.Response(302, headers={"location": "https://elsewhere.example"})
    with pytest.raises(RetakeError, match="302"):
        await api.get("p")
    assert {request.url.host for request in server.requests} == {"api.replicate.com"}


async def test_what_is_not_there_is_not_found(api: ReplicateApi, server: Server) -> None:
    server.answer = lambda request: httpx.Response(404, json={"detail": "Not found."})
    with pytest.raises(NotFound):
        await api.get("p")


def test_the_client_is_imported_by_the_first_call_and_used_for_calls_only() -> None:
    """Its `run`, `wait`, `stream` and `FileOutput` repeat, block or give the token away."""
    script = (
        "import sys, services.generator.main; sys.exit(any(m.partition('.')[0] == 'replicate' for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
    imported = {
        f"{node.module}.{name.name}"
        for path in FOLDER.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "replicate"
        for name in node.names
    }
    assert imported == {
        "replicate.client.Client",
        "replicate.webhook.Webhooks",
        "replicate.webhook.WebhookSigningSecret",
    }
    called = {
        node.func.attr
        for path in FOLDER.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    assert not called & {"run", "async_run", "async_stream", "async_wait", "async_reload"}
