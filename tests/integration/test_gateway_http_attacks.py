"""Requests that are made to hurt: each gets an answer in words, quickly, and nothing else waits for it."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import socket
import time
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from deploy.local.supervisor.preflight import free_port
from services.gateway.api import yaml_documents
from services.gateway.api.problems import MAX_ERRORS, ProblemError
from services.gateway.domain.json_bounds import MAX_DEPTH, MAX_VALUES
from shared.core.processes import ResourceLimits
from shared.web.health import Health
from tests.conftest import FreshDatabase
from tests.support.gateway_http import SECRET, Gateway, gateway

MANY = "9" * 5000
JSON = {"Content-Type": "application/json"}


async def a_project(api: httpx.AsyncClient) -> str:
    return str((await api.post("/projects", json={"name": "Holidays"})).json()["id"])


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


def said(response: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    body: dict[str, Any] = response.json()
    assert (response.status_code, body["type"]) == (status, f"/problems/{slug}"), response.text[:500]
    assert body["detail"] and body["recovery"]
    return body


@pytest.mark.parametrize("name", ["retake_session", "other"])
@pytest.mark.parametrize("path", ["/me", "/openapi.json"])
async def test_a_cookie_of_quotes_costs_nothing(g: Gateway, name: str, path: str) -> None:
    api = g.client(None, Cookie=f'{name}="' + '\\"' * 8000 + '"')
    await api.get("/openapi.json")  # made once
    started = time.process_time()
    response = await api.get(path)
    assert time.process_time() - started < 0.2
    assert response.status_code == (401 if path == "/me" else 200)


async def test_a_header_that_nobody_needs_is_refused_by_its_name(g: Gateway) -> None:
    said(await g.client(None, Cookie='retake_session="' + '\\"' * 29_000 + '"').get("/me"), 400, "malformed")
    body = said(await g.client("ana", **{"X-Long": "x" * 16_385}).get("/me"), 400, "malformed")
    assert "x-long has 16385 bytes" in body["detail"]
    headers = {f"X-{n}": "x" for n in range(120)}
    assert "headers" in said(await g.client("ana", **headers).get("/me"), 400, "malformed")["detail"]


async def test_our_cookie_is_found_among_others(g: Gateway) -> None:
    cookie = (await g.client().post("/auth/session")).headers["set-cookie"].partition(";")[0]
    for sent in (cookie, f'a="b\\"c"; {cookie}; d=e', f"x_{cookie}; {cookie}"):
        assert (await g.client(None, Cookie=sent).get("/me")).status_code == 200, sent
    assert (await g.client(None, Cookie=f"x_{cookie}").get("/me")).status_code == 401


async def test_a_session_that_was_signed_out_opens_nothing(g: Gateway) -> None:
    first, second = [(await g.client().post("/auth/session")).headers["set-cookie"].partition(";")[0] for _ in range(2)]
    assert first != second
    assert (await g.client(None, Cookie=first).delete("/auth/session")).status_code == 204
    body = said(await g.client(None, Cookie=first).get("/me"), 401, "unauthenticated")
    assert "signed out" in body["detail"]
    spelled = first[:-1] + chr(ord(first[-1]) ^ 1)  # the last character's unused bits: often the same signature
    assert (await g.client(None, Cookie=spelled).get("/me")).status_code == 401
    assert (await g.client(None, Cookie=second).get("/me")).status_code == 200, "another device stays signed in"
    assert (await g.client(Cookie=second).delete("/auth/session")).status_code == 204, "by token, with the cookie"
    assert (await g.client(None, Cookie=second).get("/me")).status_code == 401
    assert (await g.client().delete("/auth/session")).status_code == 204, "without a cookie there is nothing to end"


@pytest.mark.parametrize("depth", [MAX_DEPTH, 230, 600, 900, 20_000])
async def test_deep_json_is_refused_before_it_is_read(g: Gateway, depth: int) -> None:
    api = g.client()
    project = await a_project(api)
    text = f'{{"name": "x", "settings": {{"video": {{"a": {nested(depth)}}}}}}}'
    for path in ("/projects", f"/projects/{project}/episodes", f"/projects/{project}/imports"):
        started = time.process_time()
        body = said(await api.post(path, content=text, headers=JSON), 422, "invalid")
        assert f"{MAX_DEPTH} levels" in body["detail"]
        assert time.process_time() - started < 1


async def test_brackets_in_texts_are_no_nesting(g: Gateway) -> None:
    text = '[{"\\' * 500 + "," * MAX_VALUES + ":" * 1000
    made = await g.client().post("/projects", json={"name": "x", "description": text[:4000]})
    assert made.status_code == 201, made.text
    assert made.json()["description"] == text[:4000]
    said(await g.client().post("/projects", json={"name": text}), 422, "invalid")  # too long, and nothing else


@pytest.mark.parametrize(
    "body",
    [
        '{"name": "x", ' + ", ".join(f'"k{n}": 0' for n in range(80_000)) + "}",
        '{"name": "x", ' + ", ".join(f'"k{n}": 0' for n in range(20_000)) + "}",
        '{"name": "x", "settings": [' + "[]," * 300_000 + "[]]}",
        '{"name": "x", "settings": [' + '"",' * 300_000 + "0]}",
        '{"name": "x", "' + "k" * 900_000 + '": 1}',
        '"' * 1_000_000,
        '"' + '\\"' * 500_000,
        '{"name": "x", "a": ' + "9" * 900_000 + "}",
        '{"name": "x"}'.encode("utf-16-le"),
    ],
    ids=["unknown", "fewer", "lists", "texts", "long name", "quotes", "escapes", "digits", "utf-16"],
)
async def test_large_json_gets_a_small_answer_soon(g: Gateway, body: str | bytes) -> None:
    api = g.client()
    started = time.process_time()
    response = await api.post("/projects", content=body, headers=JSON)
    assert time.process_time() - started < 1
    assert response.status_code in (400, 422), response.text[:300]
    assert len(response.content) < 100_000
    assert response.json()["recovery"]


async def test_many_errors_are_counted_and_not_all_told(g: Gateway) -> None:
    segments = [{"duration": "long", f"unknown{n}": 1} for n in range(400)]
    api = g.client()
    answer = await api.post(f"/projects/{await a_project(api)}/episodes", json={"title": "x", "segments": segments})
    errors = said(answer, 422, "invalid")["errors"]
    assert len(errors) == MAX_ERRORS + 1
    assert errors[-1]["detail"].startswith("750 more errors")
    body = {"document": {"title": "x", **{f"k{n}": 1 for n in range(900)}}}
    imported = await api.post(f"/projects/{await a_project(api)}/imports", json=body)
    assert imported.status_code == 202, imported.text
    assert len(imported.json()["warnings"]) == 51
    assert imported.json()["warnings"][-1] == "850 more warnings are not listed"


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/projects", {"Prefer": f"wait={MANY}"}, 200),
        ("/projects?cursor=wrI", {}, 422),
        (f"/projects?cursor={base64.urlsafe_b64encode(b'9' * 3000).decode()}", {}, 422),
        (f"/projects?cursor={base64.urlsafe_b64encode(bytes(30)).decode()}", {}, 422),
        (f"/projects?limit={MANY}", {}, 422),
        ("/projects?limit=²", {}, 422),
        (f"/projects?created_after={MANY}", {}, 422),
        (f"/projects/{MANY}", {}, 404),
        (f"/media/versions/01980000-0000-7000-8000-000000000001/content?exp={MANY}&sig=a.b", {}, 422),
        ("/media/versions/01980000-0000-7000-8000-000000000001/content?exp=1&sig=wrI.ÿ", {}, 404),
    ],
)
async def test_numbers_that_no_number_holds_are_told(
    g: Gateway, path: str, headers: dict[str, str], status: int
) -> None:
    response = await g.client("ana", **headers).get(path)
    assert response.status_code == status, response.text


@pytest.mark.parametrize("list_", ["episodes", "runs", "reviews", "members", "feed", "imports", "assets"])
async def test_every_list_refuses_a_cursor_that_is_not_its_own(g: Gateway, list_: str) -> None:
    api = g.client()
    project = await a_project(api)
    for cursor in ("wrI", "4pGi", "AAAA", "%FF", "-", "MTIzNDU2Nzg5MDEyMzQ1Njc4OTA"):
        response = await api.get(f"/projects/{project}/{list_}?cursor={cursor}")
        assert response.status_code in (200, 404, 405, 422), response.text
        if list_ != "members":
            assert response.status_code != 200


@pytest.mark.parametrize("part", ["header", "payload"])
async def test_a_deep_token_is_no_token(g: Gateway, part: str) -> None:
    deep = base64.urlsafe_b64encode(nested(5000).encode()).rstrip(b"=").decode()
    usual = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').rstrip(b"=").decode()
    token = f"{deep}.e30.AAAA" if part == "header" else f"{usual}.{deep}.AAAA"
    said(await g.client(None, Authorization=f"Bearer {token}").get("/me"), 401, "unauthenticated")
    signed = jwt.PyJWS().encode(b'{"exp": 1e999, "sub": "a", "iss": "retake", "aud": "retake"}', SECRET, "HS256")
    said(await g.client(None, Authorization=f"Bearer {signed}").get("/me"), 401, "unauthenticated")


@pytest.mark.parametrize(
    "host", ["127.0.0.1:18080@evil.com", "localhost:80/evil.com", "localhost,evil.com", "localhost:80:80", "[::1]x"]
)
async def test_a_host_that_is_two_things_is_none(g: Gateway, host: str) -> None:
    said(await g.client("ana", Host=host).get("/me"), 400, "malformed")
    said(await g.client(None, Host=host).post("/auth/token"), 400, "malformed")


async def test_deep_suggestions_are_refused_here_and_not_found_dead_later(g: Gateway) -> None:
    changes = json.dumps({"suggested_changes": {"note": json.loads(nested(230))}})
    path = "/runs/01980000-0000-7000-8000-000000000001/review"
    text = '{"action": "reject", ' + changes[1:]
    said(await g.client().post(path, content=text, headers=JSON), 422, "invalid")


YAML_BOMBS = {
    "deep": "[" * 20_000,
    "deep maps": "".join(f"{' ' * n}a:\n" for n in range(1000)),
    "flat": "a: [" + "1," * 400_000 + "1]",
    "keys": "\n".join(f"k{n}: 0" for n in range(80_000)),
    "questions": "? " * 300_000,
    "aliases": "a: &a [x]\nb: [" + "*a," * 1000 + "]",
    "tag": "a: !!python/object/apply:os.system [true]",
    "two": "a: 1\n---\nb: 2",
    "number": "a: " + "9" * 5000,
    "list": "- 1",
    "key": "{[1]: 2}",
    "empty": "",
    "control": "a: \u0001",
    "open": "a: [1",
}


@pytest.mark.parametrize("bomb", YAML_BOMBS)
async def test_yaml_is_read_beside_the_loop_and_bounded(g: Gateway, bomb: str) -> None:
    api = g.client()
    project = await a_project(api)
    worst, done = 0.0, asyncio.Event()

    async def watch() -> None:
        nonlocal worst
        while not done.is_set():
            started = time.process_time()
            assert (await api.get("http://localhost/health/live")).status_code == 200
            worst = max(worst, time.process_time() - started)
            await asyncio.sleep(0.05)

    watching = asyncio.create_task(watch())
    worked = time.process_time()
    try:
        answer = await api.post(f"/projects/{project}/imports", json={"yaml": YAML_BOMBS[bomb], "title": "x"})
    finally:
        done.set()
        await watching
    body = said(answer, 422, "invalid")
    assert body["errors"][0]["pointer"] == "/yaml"
    assert len(answer.content) < 2000
    assert time.process_time() - worked < 1, "the work is the child's"
    assert worst < 5, "on a machine that does other things, too; it was 67 s"
    if bomb in ("aliases", "tag", "two", "number", "key", "open"):
        assert re.search(r"line \d+, column \d+: ", body["detail"])


async def test_yaml_has_the_scalars_of_the_command(g: Gateway) -> None:
    text = (
        "title: no\ndescription: 2026-01-01\nsegments:\n  - duration: 2.5\n    scene_info: {scene_number: 007, "
        "description: 1:30, location: ~, characters: ['12', on]}\n"
    )
    api = g.client()
    made = await api.post(f"/projects/{await a_project(api)}/imports", json={"yaml": text})
    assert made.status_code == 202, made.text
    episode = (await api.get(f"/episodes/{made.json()['episode_id']}")).json()
    assert (episode["title"], episode["description"]) == ("no", "2026-01-01")
    scene = episode["segments"][0]["scene_info"]
    assert (scene["scene_number"], scene["description"], scene["location"]) == (7, "1:30", None)
    assert scene["characters"] == ["12", "on"]
    assert episode["segments"][0]["duration"] == 2.5


async def test_a_reader_that_is_killed_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_documents, "LIMITS", ResourceLimits(memory=8 << 20, cpu_s=5, file_size=0))
    with pytest.raises(ProblemError, match="send it in parts"):
        await yaml_documents.read_yaml("a: 1")
    monkeypatch.undo()
    monkeypatch.setattr(yaml_documents, "TIMEOUT_S", 0.001)
    with pytest.raises(ProblemError, match="takes longer"):
        await yaml_documents.read_yaml("a: 1")


async def test_nothing_that_a_client_stores_is_without_a_bound(g: Gateway) -> None:
    """Eight drafts of 900 KB made GET episode 7.2 MB once."""
    api = g.client()
    project = await a_project(api)
    document = {"title": "x", "segments": [{"scene_info": {"description": "x"}}]}
    made = await api.post(f"/projects/{project}/episodes", json=document)
    assert made.status_code == 201, made.text
    episode = made.json()
    asset, segment = episode["assets"][0]["id"], episode["segments"][0]["id"]
    long = "x" * 900_000
    free: list[dict[str, Any]] = [
        {"note": long},
        {"note": {"note": [long]}},
        {f"n{i}": "x" * 200 for i in range(90)},
        {f"n{i}": 1 for i in range(101)},
        {"x" * 101: 1},
        {"note": 2**63},
    ]
    stored: list[tuple[str, str, Any]] = [
        *(("PUT", f"/assets/{asset}/draft", {"settings": value}) for value in free),
        *(("POST", f"/assets/{asset}/runs", {"settings": value}) for value in free),
        *(("POST", f"/assets/{asset}/runs", {"suggested_changes": value}) for value in free),
        *(
            ("PATCH", f"/projects/{project}/settings", {section: value})
            for section in ("video", "image", "narration", "music")
            for value in free
        ),
        ("PUT", f"/assets/{asset}/draft", {"directions": long}),
        ("POST", f"/assets/{asset}/runs", {"suggested_changes": {"model": "x" * 201}}),
        ("PATCH", f"/projects/{project}/settings", {"style": long}),
        ("PATCH", f"/projects/{project}/settings", {"video": {"seed": 2**64}}),
        ("PATCH", f"/projects/{project}/settings", {"spend_cap": {"amount": "9" * 5000}}),
        ("PATCH", f"/projects/{project}/settings", {"spend_cap": {"amount": "Infinity"}}),
        ("PATCH", f"/projects/{project}/settings", {"spend_cap": {"amount": "5", "currency": long}}),
        ("PATCH", f"/projects/{project}/settings", {"characters": [{"name": "x"}] * 51}),
        ("PATCH", f"/segments/{segment}", {"scene_info": {"characters": ["x"] * 51}}),
        ("PATCH", f"/segments/{segment}", {"scene_info": {"characters": [long]}}),
        ("PATCH", f"/segments/{segment}", {"scene_info": {"dialogue": [{"text": "x"}] * 201}}),
        ("PATCH", f"/segments/{segment}", {"scene_info": {"scene_number": 10**18}}),
        ("PATCH", f"/segments/{segment}", {"scene_info": {"note": long}}),
        ("PATCH", f"/segments/{segment}", {"user_notes": long}),
        ("PATCH", f"/episodes/{episode['id']}", {"output": {"note": long}}),
        ("POST", f"/episodes/{episode['id']}/compile", {"audio_config": {"narration": {long: {}}}}),
        ("POST", "/auth/tickets", {"stream": "/events" + long}),
    ]
    for method, path, body in stored:
        answer = await api.request(method, path, json=body, headers={"If-Match": "*"})
        said(answer, 422, "invalid")
        assert len(answer.content) < 5000
    kept = {"directions": "\u98a8" * 4000, "settings": {"seed": 7}}
    assert (await api.put(f"/assets/{asset}/draft", json=kept, headers={"If-Match": "*"})).status_code == 200


async def test_settings_do_not_grow_by_being_patched(g: Gateway) -> None:
    api = g.client()
    project = await a_project(api)
    answers = [
        await api.patch(
            f"/projects/{project}/settings",
            json={"characters": [{"name": "x", "description": "x" * 4000}] * n},
            headers={"If-Match": "*"},
        )
        for n in (1, 50, 2)
    ]
    assert [a.status_code for a in answers] == [200, 200, 200]
    assert len(answers[-1].json()["characters"]) == 2


async def test_operators_have_a_port_of_their_own(fresh_database: FreshDatabase, tmp_path: Path) -> None:
    port = free_port()
    async with gateway(await fresh_database("gateway"), tmp_path, operations_port=port) as g:
        public = g.client(None)
        for path in ("/metrics", "/health/ready"):
            assert (await public.get(f"http://localhost{path}")).status_code == 404
        assert (await public.get("http://localhost/health/live")).status_code == 200
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as operators:
            assert "retake_http_request_seconds" in (await operators.get("/metrics")).text
            ready = await operators.get("/health/ready")
            assert (ready.status_code, ready.json()["checks"]["database"]) == (200, "ok")
            assert (await operators.get("/api/v1/projects")).status_code == 404, "the API is not here"
            g.app.state.gateway.health.draining = True
            assert (await operators.get("/health/ready")).status_code == 503
    with pytest.raises(httpx.ConnectError):
        await httpx.AsyncClient().get(f"http://127.0.0.1:{port}/health/live")


async def test_a_port_that_is_taken_ends_the_start(fresh_database: FreshDatabase, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match=r"[Aa]ddress already in use"):
        async with gateway(await fresh_database("gateway"), tmp_path, operations_port=taken.getsockname()[1]):
            pass


async def test_documents_are_made_once_and_limited(fresh_database: FreshDatabase, tmp_path: Path) -> None:
    async with gateway(await fresh_database("gateway"), tmp_path, rate_quota=12) as g:
        api = g.client(None)
        for path in ("/openapi.json", "/docs", "/docs/reader.js", "/docs/reader.css"):
            first = await api.get(f"http://localhost{path}")
            assert first.status_code == 200
            again = await api.get(f"http://localhost{path}", headers={"If-None-Match": first.headers["etag"]})
            assert (again.status_code, again.content) == (304, b"")
        assert (await api.get("http://localhost/openapi.json")).json()["openapi"].startswith("3.1")
        started = time.process_time()
        for path in ("/openapi.json", "/docs", "/metrics", "/problems/busy", "/docs/reader.js"):
            last = await api.get(f"http://localhost{path}")
        assert time.process_time() - started < 1
        said(last, 429, "rate-limited")
        assert int(last.headers["retry-after"]) > 0
        for path in ("/openapi.json", "/docs", "/metrics", "/problems/busy"):
            assert (await api.get(f"http://localhost{path}")).status_code == 429, path
        for path in ("/health/live", "/health/ready"):
            assert (await api.get(f"http://localhost{path}")).status_code == 200, path


async def test_readiness_that_many_ask_for_is_checked_once() -> None:
    rounds = 0

    async def check() -> str | None:
        nonlocal rounds
        rounds += 1
        await asyncio.sleep(0.05)
        return None

    health = Health("gateway", {"database": check})
    assert await asyncio.gather(*(health.report() for _ in range(500))) == [(True, {"database": "ok"})] * 500
    assert rounds == 1
    asked = asyncio.create_task(health.report())
    await asyncio.sleep(0.01)
    asked.cancel()
    assert await health.report() == (True, {"database": "ok"}), "one who leaves takes nothing from the others"
    assert rounds == 2
