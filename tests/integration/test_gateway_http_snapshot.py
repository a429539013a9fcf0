"""The snapshot of an episode on the wire: compressed, and not sent again if the client has it."""

from __future__ import annotations

import gzip
import json
from typing import Any

import httpx
import pytest

from services.gateway.api.middleware.compression import accepts_gzip
from services.gateway.api.schemas.episodes import EpisodeOutline
from tests.support.gateway_http import Gateway, Stream
from tests.support.gateway_shapes import same_shape

SEGMENTS = [{"scene_info": {"description": f"A harbour {n}"}, "directions": {"video": "Pan left"}} for n in range(8)]


async def an_episode(api: httpx.AsyncClient, segments: list[dict[str, Any]] = SEGMENTS) -> dict[str, Any]:
    project = (await api.post("/projects", json={"name": "P"})).json()
    made = await api.post(f"/projects/{project['id']}/episodes", json={"title": "One", "segments": segments})
    assert made.status_code == 201
    return dict(made.json())


async def raw(api: httpx.AsyncClient, path: str, **headers: str) -> tuple[httpx.Response, bytes]:
    """The response with its bytes as they were sent."""
    async with api.stream("GET", path, headers=headers) as response:
        return response, b"".join([chunk async for chunk in response.aiter_raw()])


async def test_json_is_compressed_for_who_takes_it(g: Gateway) -> None:
    api = g.client()
    episode = await an_episode(api)
    path = f"/episodes/{episode['id']}"
    plain, whole = await raw(api, path, **{"Accept-Encoding": "identity"})
    packed, small = await raw(api, path, **{"Accept-Encoding": "br, gzip;q=0.5"})
    assert "content-encoding" not in plain.headers
    assert (packed.headers["content-encoding"], packed.headers["content-length"]) == ("gzip", str(len(small)))
    assert plain.headers["vary"] == packed.headers["vary"] == "Accept-Encoding"
    assert packed.headers["etag"] == plain.headers["etag"]
    assert json.loads(gzip.decompress(small))["segments"] == json.loads(whole)["segments"]
    assert len(small) < len(whole) / 5


async def test_what_is_small_secret_or_no_json_is_sent_as_it_is(g: Gateway) -> None:
    api, wanted = g.client(), {"Accept-Encoding": "gzip"}
    episode = await an_episode(api)
    for path in (f"/episodes/{episode['id']}/order", "/me", "http://localhost/metrics"):
        response, _ = await raw(api, path, **wanted)
        assert "content-encoding" not in response.headers, path
    ticket = await api.post("/auth/tickets", json={"stream": "/events"}, headers=wanted)
    assert "content-encoding" not in ticket.headers
    async with Stream(
        g.app, f"/projects/{episode['project_id']}/events", g.token("ana"), headers={"accept-encoding": "gzip"}
    ) as stream:
        await stream.until(lambda: stream.named("snapshot"))
        assert b"content-encoding" not in dict(stream.sent[0]["headers"])


async def test_a_snapshot_that_the_client_has_is_not_sent_again(g: Gateway) -> None:
    api = g.client()
    episode = await an_episode(api)
    path = f"/episodes/{episode['id']}"
    first = await api.get(path)
    etag = first.headers["etag"]
    assert etag.startswith('"1-')
    await an_episode(api)  # moves the log on, and with it the cursor
    again = await api.get(path, headers={"If-None-Match": etag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    video = episode["segments"][0]["assets"]["video"]
    await api.put(f"/assets/{video}/draft", json={"directions": "Tilt"}, headers={"If-Match": "*"})
    changed = await api.get(path, headers={"If-None-Match": f'W/"x", {etag}'})
    assert (changed.status_code, changed.headers["etag"].startswith('"1-')) == (200, True)
    assert changed.headers["etag"] != etag
    renamed = await api.patch(path, json={"title": "Two"}, headers={"If-Match": changed.headers["etag"]})
    assert (renamed.status_code, renamed.headers["etag"]) == (200, '"2"')
    stale = await api.patch(path, json={"title": "Three"}, headers={"If-Match": etag})
    assert stale.status_code == 412


async def test_the_outline_is_what_a_timeline_needs(g: Gateway) -> None:
    api = g.client()
    episode = await an_episode(api, SEGMENTS[:2])
    g.world.clock.move(60)
    await api.post(f"/episodes/{episode['id']}/batches", json={"mode": "parallel", "batch_size": 2})
    await g.world.settle()
    first = episode["segments"][0]
    await api.post(f"/segments/{first['id']}/approve", json={}, headers={"Prefer": "respond-async"})
    await g.world.settle()
    whole = (await api.get(f"/episodes/{episode['id']}")).json()
    answer = await api.get(f"/episodes/{episode['id']}/outline")
    outline = answer.json()
    same_shape(EpisodeOutline, outline)
    assert [s["committed"] for s in outline["segments"]] == [True, False]
    assert [s["waiting_run_id"] for s in outline["segments"]] == [s["waiting_run_id"] for s in whole["segments"]]
    for slim, full in zip(outline["segments"], whole["segments"], strict=True):
        same = (
            "id",
            "segment_number",
            "status",
            "approval_status",
            "duration",
            "version",
            "assets",
            "transition_after",
        )
        assert {n: slim[n] for n in same} == {n: full[n] for n in same}
        assert slim["video_url"] == full["video_url"]
        assert slim["description"] == full["scene_info"]["description"]
        assert slim["quality_score"] == full["quality_metrics"]["overall_score"]
    for slim, full in zip(outline["assets"], whole["assets"], strict=True):
        assert (slim["id"], slim["active_run_id"]) == (full["id"], full["active_run_id"])
        assert slim["committed_version_id"] == (full["committed"] and full["committed"]["id"])
    assert outline["updated_at"] == whole["updated_at"]
    held = await api.get(f"/episodes/{episode['id']}/outline", headers={"If-None-Match": answer.headers["etag"]})
    assert held.status_code == 304


async def test_how_much_smaller_a_snapshot_becomes(g: Gateway) -> None:
    """docs/operations/performance.md has the bytes for 200 segments."""
    api = g.client()
    episode = await an_episode(api, [SEGMENTS[n % 8] for n in range(12)])
    all_at_once = {"auto_approve": True, "mode": "parallel", "batch_size": 12}
    await api.post(f"/episodes/{episode['id']}/batches", json=all_at_once)
    await g.world.settle()
    sizes = {}
    for view in ("", "/outline"):
        for encoding in ("identity", "gzip"):
            _, body = await raw(api, f"/episodes/{episode['id']}{view}", **{"Accept-Encoding": encoding})
            sizes[view, encoding] = len(body)
    assert sizes["", "gzip"] * 10 < sizes["", "identity"]
    assert sizes["/outline", "identity"] * 4 < sizes["", "identity"]
    assert sizes["/outline", "gzip"] * 2 < sizes["", "gzip"]


@pytest.mark.parametrize(
    ("accepted", "wanted"),
    [
        (None, False),
        ("", False),
        ("gzip", True),
        ("deflate, GZIP ; q=0.2", True),
        ("*", True),
        ("gzip;q=0", False),
        ("gzip;q=0.000, br", False),
        ("br", False),
        ("notgzip", False),
        ("gzip;q=.", False),
    ],
)
def test_accepted_encodings(accepted: str | None, wanted: bool) -> None:
    assert accepts_gzip(accepted) is wanted
