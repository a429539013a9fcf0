"""What waits for a decision in all projects of a person: one list, and a count."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest_asyncio

from tests.conftest import FreshDatabase
from tests.integration.test_gateway_http_access import SEGMENTS
from tests.support.gateway_http import Gateway, gateway


@pytest_asyncio.fixture
async def g(fresh_database: FreshDatabase, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with gateway(await fresh_database("gateway"), tmp_path, rate_quota=100_000) as made:
        yield made


async def with_preview(g: Gateway, api: httpx.AsyncClient, project: str, episode: str) -> dict[str, Any]:
    """A project with an episode whose first starting image waits for a decision."""
    made = (await api.post("/projects", json={"name": project})).json()
    body = {"title": episode, "segments": SEGMENTS[:1]}
    film = (await api.post(f"/projects/{made['id']}/episodes", json=body)).json()
    segment = film["segments"][0]
    started = await api.post(f"/assets/{segment['assets']['starting_image']}/runs", json={})
    assert started.status_code == 202, started.text
    await g.world.settle()
    return {"project_id": made["id"], "episode_id": film["id"], "segment_id": segment["id"], "run": started.json()}


async def waiting(api: httpx.AsyncClient, more: str = "") -> list[dict[str, Any]]:
    answer = await api.get(f"/runs?status=preview_ready{more}")
    assert answer.status_code == 200, answer.text
    return list(answer.json()["data"])


async def count(api: httpx.AsyncClient) -> int:
    return int((await api.get("/me")).json()["waiting_reviews"])


async def test_what_waits_is_listed_over_all_projects_with_their_names(g: Gateway) -> None:
    owner, stranger = g.client("owner"), g.client("stranger")
    harbour = await with_preview(g, owner, "Harbour", "Dawn")
    tower = await with_preview(g, owner, "Tower", "Night")
    await with_preview(g, stranger, "Secret", "Theirs")
    named = [(r["id"], r["project_name"], r["episode_title"]) for r in await waiting(owner)]
    assert named == [(tower["run"]["id"], "Tower", "Night"), (harbour["run"]["id"], "Harbour", "Dawn")]
    assert (await count(owner), await count(stranger)) == (2, 1)
    [one] = await waiting(owner, f"&project_id={harbour['project_id']}")
    assert one["id"] == harbour["run"]["id"]
    first = (await owner.get("/runs?status=preview_ready&limit=1")).json()
    [second] = await waiting(owner, f"&limit=1&cursor={first['next_cursor']}")
    assert [first["data"][0]["id"], second["id"]] == [named[0][0], named[1][0]]
    assert {r["status"] for r in (await owner.get("/runs?status=preview_ready,complete")).json()["data"]} == {
        "preview_ready"
    }


async def test_who_joins_sees_it_and_who_leaves_does_not(g: Gateway) -> None:
    owner, friend = g.client("owner"), g.client("friend")
    assert await count(friend) == 0
    film = await with_preview(g, owner, "Harbour", "Dawn")
    put = await owner.put(f"/projects/{film['project_id']}/members/friend", json={"role": "reviewer"})
    assert put.status_code == 200
    assert [r["id"] for r in await waiting(friend)] == [film["run"]["id"]]
    await owner.delete(f"/projects/{film['project_id']}/members/friend")
    assert (await waiting(friend), await count(friend)) == ([], 0)


async def test_what_is_decided_or_deleted_does_not_wait(g: Gateway) -> None:
    owner = g.client("owner")
    decided = await with_preview(g, owner, "Harbour", "Dawn")
    segment = await with_preview(g, owner, "Tower", "Night")
    project = await with_preview(g, owner, "Mill", "Noon")
    assert await count(owner) == 3
    path = f"/runs/{decided['run']['id']}/review"
    await owner.post(path, json={"action": "approve"}, headers={"Prefer": "respond-async"})
    await g.world.settle()
    await owner.delete(f"/segments/{segment['segment_id']}")
    await owner.delete(f"/projects/{project['project_id']}")
    assert (await waiting(owner), await count(owner)) == ([], 0)


async def test_filters_are_checked(g: Gateway) -> None:
    owner = g.client("owner")
    for query, pointer in (("status=waiting", "query:status"), ("project_id=x", "query:project_id")):
        refused = await owner.get(f"/runs?{query}")
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, pointer)
