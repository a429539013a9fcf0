"""`dry_run`: the estimate says what the request then starts, and nothing of it is stored."""

from __future__ import annotations

from typing import Any

from services.gateway.api.schemas.estimates import Estimate
from tests.integration.test_gateway_http_loop import an_episode, asset, ok
from tests.support.gateway_http import Gateway
from tests.support.gateway_shapes import same_shape

TABLES = ("runs", "batches", "batch_items", "compilations", "event_log", "outbox", "idempotency_keys", "jobs")


async def rows(g: Gateway) -> dict[str, int]:
    return {t: await g.world.pool.fetchval(f"select count(*) from {t}") for t in TABLES}


async def test_an_estimate_stores_nothing_and_says_what_is_then_started(g: Gateway) -> None:
    api = g.client()
    _, episode = await an_episode(g, api)
    image, path = asset(episode, "starting_image"), f"/episodes/{episode['id']}"
    before, key = await rows(g), {"Idempotency-Key": "one-click"}

    one = await ok(await api.post(f"/assets/{image}/runs", json={"dry_run": True, "variants": 3}, headers=key))
    same_shape(Estimate, one)
    assert [(r["kind"], r["variants"], r["model"], r["seconds"]) for r in one["runs"]] == [
        ("starting_image", 3, "animatic/storyboard", None)
    ]
    assert (one["cost"], one["seconds"]) == ([{"amount": "0", "currency": "USD"}], None)

    all_of_it: dict[str, Any] = {}
    for route in ("batches", "generate-segments", "render"):
        all_of_it = await ok(await api.post(f"{path}/{route}", json={"dry_run": True}, headers=key))
        made = [(r["segment_number"], r["kind"]) for r in all_of_it["runs"]]
        assert sorted(made, key=str) == sorted(
            [(n, k) for n in (1, 2) for k in ("starting_image", "video", "narration")] + [(None, "music")], key=str
        ), route
        assert all_of_it["missing"] == []
    refused = await api.post(f"{path}/compile", json={"dry_run": True}, headers=key)
    assert refused.json()["type"] == "/problems/not-compilable"
    blank = await api.post(f"/assets/{image}/runs", json={"dry_run": True, "model": "no/such"})
    assert blank.json()["errors"][0]["pointer"] == "/model"
    assert await rows(g) == before

    started = await ok(await api.post(f"/assets/{image}/runs", json={}, headers=key), 202)
    assert started["status"] == "requested", "the key was not used up"
    while_busy = await ok(await api.post(f"/assets/{image}/runs", json={"dry_run": True}))
    assert len(while_busy["runs"]) == 1, "what comes next can be asked while a run is at work"


async def test_what_is_missing_is_named_and_times_are_those_measured(g: Gateway) -> None:
    api = g.client()
    _, episode = await an_episode(g, api)
    path = f"/episodes/{episode['id']}"
    first = {"auto_approve": True, "segment_ids": [episode["segments"][0]["id"]]}
    await ok(await api.post(f"{path}/batches", json=first), 202)
    await g.world.settle()
    blank = {"directions": "", "settings": {}}
    for kind in ("starting_image", "video"):
        await ok(await api.put(f"/assets/{asset(episode, kind, 2)}/draft", json=blank, headers={"If-Match": "*"}))

    await ok(await api.post(f"{path}/batches", json={}), 202)
    live = await ok(await api.post(f"{path}/batches", json={"dry_run": True}))
    assert (1, "video") not in {(r["segment_number"], r["kind"]) for r in live["runs"]}
    film = await ok(await api.post(f"{path}/compile", json={"dry_run": True}))
    assert [(m["segment_number"], m["kind"]) for m in film["missing"]] == [(2, "video")]
    assert film["runs"] == []
    assert film["seconds"] > 0
    rest = await ok(await api.post(f"{path}/batches", json={"dry_run": True}))
    assert (2, "starting_image") in {(m["segment_number"], m["kind"]) for m in rest["missing"]}
    assert all(m["cause"] and m["recovery"] for m in rest["missing"])
    again = await ok(await api.post(f"/assets/{asset(episode, 'video')}/runs", json={"dry_run": True}))
    assert again["runs"][0]["seconds"] is not None
    assert again["seconds"] == again["runs"][0]["seconds"]
