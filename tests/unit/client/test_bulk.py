"""`retake bulk`: which targets are sent, and what is told of those that are refused."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from client.api import AsyncRetake
from client.cli.bulk import app
from client.locate import GatewayAddress
from tests.unit.client.fake import Gateway, ok

EPISODE = {
    "id": "01980000-0000-7000-8000-000000000001",
    "title": "One",
    "segments": [
        {"id": f"s{n}", "segment_number": n, "waiting_run_id": f"r{n}" if n != 2 else None, "scene_info": {}}
        for n in (1, 2, 3)
    ],
}


def answer(request: httpx.Request) -> httpx.Response:
    if request.method == "GET":
        return ok(EPISODE if "/episodes/" in request.url.path else {})
    results: list[dict[str, Any]] = []
    for target in json.loads(request.content)["targets"]:
        problem = {"type": "/problems/invalid-state", "detail": "No preview waits.", "recovery": "Regenerate it."}
        refused = target == {"segment_id": "s2"}
        results.append({"status": 409, "problem": problem} if refused else {"status": 202, "run_id": "n", **target})
    return ok({"action": "x", "results": results})


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Gateway:
    gateway = Gateway(then=answer)
    monkeypatch.setattr(AsyncRetake, "at", lambda _address: gateway.client())
    monkeypatch.setattr("client.cli.session.locate", lambda *_: GatewayAddress("http://127.0.0.1:8080"))
    return gateway


def run(gateway: Gateway, line: str) -> tuple[Any, list[Any]]:
    done = CliRunner().invoke(app, [*line.split(), "--episode", str(EPISODE["id"])])
    return done, gateway.bodies


def test_decisions_name_the_previews_that_wait_now(gateway: Gateway) -> None:
    done, [body] = run(gateway, "approve all --rating 4")
    assert body == {
        "action": "approve",
        "rating": 4,
        "targets": [{"run_id": "r1"}, {"segment_id": "s2"}, {"run_id": "r3"}],
    }
    assert done.exit_code == 1
    assert "Segment 1: started" in done.stdout
    assert "Segment 2: No preview waits. Regenerate it." in done.stderr
    assert "Refused for 1 of 3 segments." in done.stderr


def test_what_is_sent(gateway: Gateway) -> None:
    for line in ("regenerate 3,1,3 -c seed=7", "transition 1 fade:0.8", "transition 1 none", "reject 3 -c seed=7"):
        assert run(gateway, line)[0].exit_code == 0
    fade = {"style": "fade", "duration": 0.8}
    assert gateway.bodies == [
        {"action": "regenerate", "targets": [{"segment_id": "s3"}, {"segment_id": "s1"}], "changes": {"seed": 7}},
        {"action": "transition", "targets": [{"segment_id": "s1"}], "transition_after": fade},
        {"action": "transition", "targets": [{"segment_id": "s1"}], "transition_after": None},
        {"action": "reject", "targets": [{"run_id": "r3"}], "suggested_changes": {"seed": 7}},
    ]


def test_a_segment_that_does_not_exist_is_refused_before_anything_is_sent(gateway: Gateway) -> None:
    done, bodies = run(gateway, "approve 1,9")
    assert (done.exit_code, bodies) == (2, [])
    assert "numbered 1 to 3" in done.stderr
