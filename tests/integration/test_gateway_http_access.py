"""Who may do what: every route by every role. A route that is not in the table fails the test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from services.gateway.api.schemas.base import EXAMPLE_ID
from services.gateway.domain.accounts import Role
from tests.conftest import FreshDatabase
from tests.support.gateway_http import Gateway, Stream, gateway
from tests.support.http_client import photograph

API = "/api/v1"
SEGMENTS: list[dict[str, Any]] = [
    {
        "scene_info": {"description": f"A harbour {n}"},
        "directions": {"video": "Pan left", "starting_image": "A harbour"},
    }
    for n in (1, 2)
]
ANY_VERSION = {"If-Match": "*"}
V, R, E, O = Role.VIEWER, Role.REVIEWER, Role.EDITOR, Role.OWNER  # noqa: E741


@dataclass(frozen=True)
class Row:
    """`least` None: whoever is signed in. `leaves`: it deletes, so it comes late."""

    method: str
    path: str
    least: Role | None
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    query: str = ""


TABLE = [
    Row("GET", "/me", None),
    Row("GET", "/models", None),
    Row("GET", "/runs", None),
    Row("GET", "/projects", None),
    Row("POST", "/projects", None, {"name": "Mine"}),
    Row("POST", "/auth/session", None),
    Row("DELETE", "/auth/session", None),
    Row("POST", "/auth/tickets", None, {"stream": "/events"}),
    Row("GET", "/projects/{project_id}", V),
    Row("PATCH", "/projects/{project_id}", O, {"name": "New"}, ANY_VERSION),
    Row("GET", "/projects/{project_id}/settings", V),
    Row("PATCH", "/projects/{project_id}/settings", E, {"style": "Noir"}, ANY_VERSION),
    Row("GET", "/projects/{project_id}/members", V),
    Row("PUT", "/projects/{project_id}/members/{user_id}", O, {"role": "viewer"}),
    Row("GET", "/projects/{project_id}/shares", O),
    Row(
        "POST", "/projects/{project_id}/shares", O, {"episode_id": "{episode_id}", "role": "viewer", "label": "Client"}
    ),
    Row("DELETE", "/projects/{project_id}/shares/{share_id}", O),
    Row("GET", "/projects/{project_id}/usage", V),
    Row("GET", "/projects/{project_id}/metrics", V),
    Row("GET", "/projects/{project_id}/progress", V),
    Row("GET", "/projects/{project_id}/runs", V),
    Row("GET", "/projects/{project_id}/reviews", V),
    Row("GET", "/projects/{project_id}/episodes", V),
    Row("POST", "/projects/{project_id}/episodes", E, {"title": "Two"}),
    Row("POST", "/projects/{project_id}/imports", E, {"document": {"title": "Three"}}),
    Row("POST", "/projects/{project_id}/uploads", E, photograph(hue=9)),
    Row("POST", "/projects/{project_id}/partial-uploads", E, {"filename": "a.mov", "size": 10}),
    Row("GET", "/imports/{import_id}", V),
    Row("POST", "/imports/{import_id}/cancel", E),
    Row("GET", "/episodes/{episode_id}", V),
    Row("PATCH", "/episodes/{episode_id}", E, {"title": "Other"}, ANY_VERSION),
    Row("GET", "/episodes/{episode_id}/order", V),
    Row("GET", "/episodes/{episode_id}/outline", V),
    Row("PUT", "/episodes/{episode_id}/order", E, {"segment_ids": []}, ANY_VERSION),
    Row("GET", "/episodes/{episode_id}/revisions", V),
    Row("GET", "/episodes/{episode_id}/metrics", V),
    Row("GET", "/episodes/{episode_id}/segments", V),
    Row("GET", "/episodes/{episode_id}/segments/status", V),
    Row("POST", "/episodes/{episode_id}/segments", E, {"type": "scene"}),
    Row("GET", "/episodes/{episode_id}/assets", V),
    Row("POST", "/episodes/{episode_id}/assets", E, {"kind": "image", "label": "Poster"}),
    Row("POST", "/episodes/{episode_id}/bulk", R, {"action": "approve", "targets": [{"segment_id": EXAMPLE_ID}]}),
    Row("GET", "/episodes/{episode_id}/batches", V),
    Row("POST", "/episodes/{episode_id}/batches", E, {"segment_ids": []}),
    Row("POST", "/episodes/{episode_id}/generate-segments", E, {"start_from": 100}),
    Row("POST", "/episodes/{episode_id}/render", E, {"segment_ids": []}),
    Row("GET", "/episodes/{episode_id}/compilation-jobs", V),
    Row("POST", "/episodes/{episode_id}/compile", E, {"segment_ids": []}),
    Row("GET", "/batches/{batch_id}", V),
    Row("POST", "/batches/{batch_id}/pause", E),
    Row("POST", "/batches/{batch_id}/resume", E, {}),
    Row("POST", "/batches/{batch_id}/cancel", E),
    Row("GET", "/compilation-jobs/{compilation_id}", V),
    Row("POST", "/compilation-jobs/{compilation_id}/cancel", E),
    Row("PUT", "/compilation-jobs/{compilation_id}/rating", R, {"rating": 5}),
    Row("GET", "/segments/{segment_id}", V),
    Row("PATCH", "/segments/{segment_id}", E, {"user_notes": "x"}, ANY_VERSION),
    Row("POST", "/segments/{segment_id}/approve", R, {}),
    Row("POST", "/segments/{segment_id}/reject", R, {}),
    Row("POST", "/segments/{segment_id}/regenerate", E, {}),
    Row("GET", "/assets/{asset_id}", V),
    Row("PUT", "/assets/{asset_id}/draft", E, {"directions": "Pan"}, ANY_VERSION),
    Row("DELETE", "/assets/{asset_id}/draft", E),
    Row("GET", "/assets/{asset_id}/runs", V),
    Row("POST", "/assets/{asset_id}/runs", E, {"variants": 1}),
    Row("GET", "/assets/{asset_id}/versions", V),
    Row("POST", "/assets/{asset_id}/versions", E, {"url": "https://example.com/a.png"}),
    Row("GET", "/assets/{asset_id}/compare", V, query="?versions={version_id},{version_id}"),
    Row("GET", "/versions/{version_id}", V),
    Row("GET", "/versions/{version_id}/provenance", V),
    Row("GET", "/compilation-jobs/{compilation_id}/provenance", V),
    Row("POST", "/versions/{version_id}/rollback", E),
    Row("GET", "/versions/{version_id}/notes", V),
    Row("POST", "/versions/{version_id}/notes", R, {"text": "Darker"}),
    Row("GET", "/notes/{note_id}", V),
    Row("PATCH", "/notes/{note_id}", R, {"resolved": True}, ANY_VERSION),
    Row("GET", "/runs/{run_id}", V),
    Row("POST", "/runs/{run_id}/cancel", E),
    Row("POST", "/runs/{run_id}/review", R, {"action": "approve"}),
    Row("POST", "/runs/{run_id}/reopen", R),
    Row("GET", "/media/{collection}/{object_id}/{rendition}", V),
    Row("DELETE", "/notes/{note_id}", R),
    Row("DELETE", "/segments/{segment_id}", E),
    Row("POST", "/segments/{segment_id}/restore", E),
    Row("DELETE", "/episodes/{episode_id}", E),
    Row("DELETE", "/projects/{project_id}/members/{user_id}", O),
    Row("DELETE", "/projects/{project_id}", O),
]
ELSEWHERE = {  # covered by tests of their own below, or open to everyone
    ("POST", "/auth/token"),
    ("GET", "/auth/config"),
    ("GET", "/auth/login"),
    ("POST", "/auth/share"),
    ("GET", "/episodes/{episode_id}/events"),
    ("GET", "/events"),
    ("GET", "/projects/{project_id}/events"),
    ("GET", "/partial-uploads/{partial_id}"),
    ("PATCH", "/partial-uploads/{partial_id}"),
    ("DELETE", "/partial-uploads/{partial_id}"),
}
OPEN = {"/health/live", "/health/ready", "/metrics", "/problems/{slug}", "/docs", "/openapi.json"}


@pytest_asyncio.fixture
async def g(fresh_database: FreshDatabase, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with gateway(await fresh_database("gateway"), tmp_path, rate_quota=100_000) as made:
        yield made


async def peopled(g: Gateway) -> str:
    """The id of a project of the owner, with a member of each role."""
    api = g.client("owner")
    for role in ("viewer", "reviewer", "editor", "stranger", "guest"):
        await g.client(role).get("/me")
    project_id = str((await api.post("/projects", json={"name": "P"})).json()["id"])
    for role in ("viewer", "reviewer", "editor"):
        put = await api.put(f"/projects/{project_id}/members/{role}", json={"role": role})
        assert put.status_code == 200
    return project_id


async def known(g: Gateway) -> dict[str, str]:
    """That project with one of everything in it."""
    api, ids = g.client("owner"), {"project_id": await peopled(g), "user_id": "guest"}

    async def post(path: str, status: int, **more: Any) -> dict[str, Any]:
        response = await api.post(path, **more)
        assert response.status_code == status, response.text
        return dict(response.json())

    upload = await post(f"/projects/{ids['project_id']}/uploads", 201, content=photograph(hue=3))
    episode = await post(f"/projects/{ids['project_id']}/episodes", 201, json={"title": "One", "segments": SEGMENTS})
    imported = await post(f"/projects/{ids['project_id']}/imports", 202, json={"document": {"title": "Imported"}})
    batch = await post(f"/episodes/{episode['id']}/batches", 202, json={"auto_approve": True})
    await g.world.settle()
    film = await post(f"/episodes/{episode['id']}/compile", 202, json={}, headers={"Prefer": "respond-async"})
    await g.world.settle()
    segment = episode["segments"][0]
    runs = (await api.get(f"/assets/{segment['assets']['video']}/runs")).json()["data"]
    note = await g.client("reviewer").post(f"/versions/{runs[0]['versions'][0]['id']}/notes", json={"text": "Darker"})
    shared = {"episode_id": episode["id"], "role": "viewer", "label": "Spare"}
    share = await post(f"/projects/{ids['project_id']}/shares", 201, json=shared)
    return ids | {
        "share_id": share["id"],
        "note_id": note.json()["id"],
        "episode_id": episode["id"],
        "segment_id": segment["id"],
        "asset_id": segment["assets"]["video"],
        "run_id": runs[0]["id"],
        "version_id": runs[0]["versions"][0]["id"],
        "batch_id": batch["id"],
        "import_id": imported["id"],
        "compilation_id": film["compilation_job_id"],
        "collection": "uploads",
        "object_id": upload["id"],
        "rendition": "content",
    }


async def send(api: httpx.AsyncClient, row: Row, ids: dict[str, str]) -> httpx.Response:
    body = row.body
    if isinstance(body, dict) and body.get("episode_id") == "{episode_id}":
        body = body | {"episode_id": ids["episode_id"]}
    content = {"content": row.body} if isinstance(row.body, bytes) else {"json": body} if body is not None else {}
    return await api.request(row.method, (row.path + row.query).format(**ids), headers=row.headers, **content)


def test_every_route_is_in_the_table() -> None:
    from services.gateway.api.app import build_app
    from shared.core.clock import SystemClock

    paths = build_app(None, SystemClock()).openapi()["paths"]
    routes = {
        (method.upper(), path.removeprefix(API)) for path, item in paths.items() for method in item if path not in OPEN
    }
    assert routes == {(row.method, row.path) for row in TABLE} | ELSEWHERE


async def test_every_route_by_every_role(g: Gateway) -> None:
    ids = await known(g)
    callers = {name: g.client(name) for name in ("stranger", "viewer", "reviewer", "editor", "owner")}
    nobody = g.client(None)
    for row in TABLE:
        at = f"{row.method} {row.path}"
        assert (await send(nobody, row, ids)).status_code == 401, at
        if row.least is not None:
            assert (await send(callers["stranger"], row, ids)).status_code == 404, at
            for role in Role:
                if not role.at_least(row.least):
                    refused = await send(callers[role.value], row, ids)
                    assert refused.status_code == 403, f"{at} as {role}: {refused.status_code} {refused.text}"
                    assert refused.json()["required_role"] == row.least.value, at
        allowed = await send(callers[(row.least or V).value], row, ids)
        assert allowed.status_code not in (401, 403, 404, 405, 415, 500, 503), (
            f"{at}: {allowed.status_code} {allowed.text}"
        )


async def test_ids_that_do_not_exist_look_like_those_of_others(g: Gateway) -> None:
    ids = await known(g)
    owner, stranger = g.client("owner"), g.client("stranger")
    absent = dict.fromkeys(ids, "01980000-0000-7000-8000-00000000dead") | {
        "collection": "uploads",
        "rendition": "content",
    }
    for row in TABLE:
        if row.least is None or row.method == "DELETE" or "members" in row.path:
            continue
        theirs, none = await send(stranger, row, ids), await send(owner, row, absent)
        assert (theirs.status_code, none.status_code) == (404, 404), row.path
        same = ("type", "title", "detail", "recovery")
        assert [theirs.json()[k] for k in same] == [none.json()[k] for k in same], row.path


async def test_money_and_review_policy_need_an_owner(g: Gateway) -> None:
    project_id = await peopled(g)
    for change in ({"spend_cap": {"amount": "5"}}, {"review": {"deadline_minutes": 5}}):
        response = await g.client("editor").patch(f"/projects/{project_id}/settings", json=change, headers=ANY_VERSION)
        assert (response.status_code, response.json()["required_role"]) == (403, "owner")
        ok = await g.client("owner").patch(f"/projects/{project_id}/settings", json=change, headers=ANY_VERSION)
        assert ok.status_code == 200, ok.text


@pytest.mark.parametrize("how", ["bearer", "cookie", "ticket", "nobody", "foreign ticket", "used ticket"])
async def test_streams_open_with_each_credential_and_no_other(g: Gateway, how: str) -> None:
    project_id = await peopled(g)
    path = f"/projects/{project_id}/events"
    owner = g.client("owner")
    token, headers, query, status = None, {}, "", 401
    if how == "bearer":
        token, status = g.token("viewer"), 200
    elif how == "cookie":
        made = await owner.post("/auth/session")
        cookie = made.headers["set-cookie"]
        assert all(word in cookie for word in ("HttpOnly", "Secure", "SameSite=strict", "Path=/"))
        headers, status = {"cookie": cookie.partition(";")[0]}, 200
    elif "ticket" in how:
        stream = "/events" if how == "foreign ticket" else path
        ticket = (await owner.post("/auth/tickets", json={"stream": stream})).json()["ticket"]
        query, status = f"?ticket={ticket}", 200 if how == "ticket" else 401
        if how == "used ticket":
            async with Stream(g.app, path + query, None) as first:
                assert first.status == 200
    async with Stream(g.app, path + query, token, headers) as opened:
        assert opened.status == status


async def test_streams_of_others_look_absent(g: Gateway) -> None:
    project_id = await peopled(g)
    async with Stream(g.app, f"/projects/{project_id}/events", g.token("stranger")) as opened:
        assert (opened.status, "not-found" in opened.body) == (404, True)
    async with Stream(g.app, "/projects/nonsense/events", g.token("stranger")) as opened:
        assert opened.status == 404


async def test_a_member_who_is_put_out_loses_streams_and_media(g: Gateway) -> None:
    ids = await known(g)
    viewer = g.client("viewer")
    path = f"/projects/{ids['project_id']}/events"
    url = (await viewer.get(f"/versions/{ids['version_id']}")).json()["url"]
    async with Stream(g.app, path, g.token("viewer")) as stream, Stream(g.app, path, g.token("editor")) as other:
        assert (await g.client("owner").delete(f"/projects/{ids['project_id']}/members/viewer")).status_code == 204
        assert stream.task is not None
        await stream.until(lambda: stream.sent[-1].get("more_body") is False)
        await other.until(lambda: [d["resource"] for d in other.named("changed")] == ["members"])
        assert not stream.named("changed")
    assert (await g.client(None).get(url)).status_code == 404  # the signature is right, the grant is gone


async def test_a_session_reads_and_never_writes(g: Gateway) -> None:
    await peopled(g)
    cookie = (await g.client("owner").post("/auth/session")).headers["set-cookie"].partition(";")[0]
    by_cookie = g.client(None, Cookie=cookie)
    assert (await by_cookie.get("/projects")).status_code == 200
    assert (await by_cookie.post("/projects", json={"name": "x"})).status_code == 401
    gone = await by_cookie.delete("/auth/session")
    assert gone.status_code == 204
    assert 'retake_session=""' in gone.headers["set-cookie"]


async def test_tokens_of_local_mode_are_for_this_machine_alone(g: Gateway) -> None:
    api = g.client(None)
    made = await api.post("/auth/token")
    assert made.status_code == 200
    assert (await g.client(None, Authorization=f"Bearer {made.json()['access_token']}").get("/projects")).json()["data"]
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://localhost:9"},
    ):
        assert (await api.post("/auth/token", headers=headers)).status_code == 404, headers
    assert (await api.post("/auth/token", headers={"Origin": "http://localhost"})).status_code == 200
    remote = httpx.AsyncClient(
        transport=httpx.ASGITransport(g.app, client=("192.0.2.7", 1)), base_url="http://localhost"
    )
    async with remote:
        assert (await remote.post(f"{API}/auth/token")).status_code == 404
    wrong_host = await api.get("/me", headers={"Host": "evil.example"})
    assert wrong_host.status_code == 400


async def test_outside_of_local_mode_there_is_no_such_token(fresh_database: FreshDatabase, tmp_path: Path) -> None:
    async with gateway(await fresh_database("gateway"), tmp_path, local_mode=False) as g:
        assert (await g.client(None).post("/auth/token")).status_code == 404
        assert (await g.client("ana").get("/me", headers={"Host": "retake.example"})).status_code == 200
        assert (await g.client("ana").get("/projects")).json()["data"] == []


async def test_bad_tokens_are_refused(g: Gateway) -> None:
    for value in ("Bearer", "Bearer x", "Basic abc", f"Bearer {g.token('ana')}x", "Bearer  "):
        response = await g.client(None, Authorization=value).get("/me")
        assert (response.status_code, response.json()["type"]) == (401, "/problems/unauthenticated"), value
        assert response.headers["www-authenticate"] == "Bearer"
