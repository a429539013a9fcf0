"""Bulk actions over the API: many targets, each answered on its own."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from services.gateway.api import bulk_requests
from services.gateway.api.schemas.base import EXAMPLE_ID
from services.gateway.api.schemas.reviews import Review
from services.gateway.commands.bulk import apply_action
from services.gateway.domain.accounts import Role
from tests.integration.test_gateway_http_access import peopled
from tests.support.gateway_http import Gateway
from tests.support.gateway_shapes import same_shape

HURRIED = {"Prefer": "respond-async"}


def segments(count: int) -> list[dict[str, Any]]:
    return [
        {
            "scene_info": {"description": f"A harbour {n}"},
            "directions": {"video": f"Pan left {n}", "starting_image": f"A harbour {n}"},
        }
        for n in range(1, count + 1)
    ]


async def ok(response: httpx.Response, status: int = 200) -> Any:
    assert response.status_code == status, response.text
    return response.json()


async def an_episode(api: httpx.AsyncClient, count: int = 3, project: str | None = None) -> dict[str, Any]:
    project = project or (await ok(await api.post("/projects", json={"name": "P"}), 201))["id"]
    body = {"title": "One", "segments": segments(count)}
    return dict(await ok(await api.post(f"/projects/{project}/episodes", json=body), 201))


def of_segments(*ids: str) -> list[dict[str, str]]:
    return [{"segment_id": i} for i in ids]


async def with_previews(g: Gateway, api: httpx.AsyncClient, count: int = 3) -> tuple[dict[str, Any], list[str]]:
    """An episode in which the video of every segment waits for a decision, and its segments."""
    episode = await an_episode(api, count)
    await ok(await api.post(f"/episodes/{episode['id']}/batches", json={"mode": "parallel", "batch_size": count}), 202)
    g.world.clock.move(60)  # what the fake services report happens after the batch has begun
    await g.world.settle()
    return episode, [s["id"] for s in episode["segments"]]


async def decided(g: Gateway, request: Any) -> httpx.Response:
    """The response of a request that waits for verdicts, which the review service gives meanwhile."""
    task = asyncio.ensure_future(request)
    while not task.done():
        await asyncio.sleep(0.02)
        await g.world.settle()
    return await task


async def test_each_target_is_answered_on_its_own(g: Gateway) -> None:
    api = g.client()
    episode, (one, two, three) = await with_previews(g, api)
    elsewhere = (await an_episode(api, 1, episode["project_id"]))["segments"][0]["id"]
    waiting = {
        s["id"]: s["waiting_run_id"] for s in (await ok(await api.get(f"/episodes/{episode['id']}")))["segments"]
    }
    await ok(await api.post(f"/segments/{three}/reject", json={}, headers=HURRIED), 202)
    await g.world.settle()
    body = {
        "action": "approve",
        "rating": 4,
        "feedback": "Fine",
        "targets": [{"run_id": waiting[one]}, *of_segments(two, three, elsewhere)],
    }
    result = await ok(await decided(g, api.post(f"/episodes/{episode['id']}/bulk", json=body)))
    assert (result["action"], result["succeeded"], result["failed"]) == ("approve", 2, 2), result
    first, second, third, fourth = result["results"]
    for outcome, segment in ((first, one), (second, two)):
        same_shape(Review, outcome["review"])
        assert (outcome["status"], outcome["problem"], outcome["run_id"]) == (200, None, waiting[segment])
        assert (outcome["review"]["verdict"], outcome["review"]["rating"]) == ("accepted", 4)
    assert (second["segment_id"], first["segment_id"]) == (two, None)
    assert (third["status"], third["problem"]["type"], third["review"]) == (409, "/problems/invalid-state", None)
    assert third["problem"]["recovery"]
    assert (fourth["status"], fourth["problem"]["type"]) == (404, "/problems/not-found")
    shown = (await ok(await api.get(f"/episodes/{episode['id']}")))["segments"]
    assert [s["approval_status"] for s in shown] == ["approved", "approved", "rejected"]


async def test_a_rejection_starts_every_next_run(g: Gateway) -> None:
    api = g.client()
    episode, ids = await with_previews(g, api)
    body = {
        "action": "reject",
        "targets": of_segments(*ids),
        "feedback": "Too dark",
        "suggested_changes": {"style_adjustments": "brighter"},
    }
    result = await ok(await decided(g, api.post(f"/episodes/{episode['id']}/bulk", json=body)))
    assert [o["status"] for o in result["results"]] == [200, 200, 200]
    for outcome in result["results"]:
        following = await ok(await api.get(f"/runs/{outcome['review']['next_run_id']}"))
        assert (following["parent_run_id"], following["style_adjustments"]) == (outcome["run_id"], "brighter")


async def test_regenerating_and_joining(g: Gateway) -> None:
    api = g.client()
    episode, (one, two, three) = await with_previews(g, api)
    await ok(await api.post(f"/segments/{one}/approve", json={}, headers=HURRIED), 202)
    await g.world.settle()
    image = episode["segments"][1]["assets"]["starting_image"]
    again = {
        "action": "regenerate",
        "targets": [*of_segments(one, three), {"asset_id": image}],
        "changes": {"prompt_modifications": "Slower"},
    }
    result = await ok(await decided(g, api.post(f"/episodes/{episode['id']}/bulk", json=again)))
    assert [o["status"] for o in result["results"]] == [202, 202, 202]
    for outcome in result["results"]:
        assert (await ok(await api.get(f"/runs/{outcome['run_id']}")))["directions"].endswith("\nSlower")
    fade = {"style": "fade", "duration": 0.8}
    join = {"action": "transition", "targets": of_segments(one, two), "transition_after": fade}
    result = await ok(await api.post(f"/episodes/{episode['id']}/bulk", json=join))
    assert [o["status"] for o in result["results"]] == [200, 200]
    shown = (await ok(await api.get(f"/episodes/{episode['id']}")))["segments"]
    assert [s["transition_after"] for s in shown] == [fade, fade, None]
    cleared = {"action": "transition", "targets": of_segments(one), "transition_after": None}
    await ok(await api.post(f"/episodes/{episode['id']}/bulk", json=cleared))
    assert (await ok(await api.get(f"/segments/{one}")))["transition_after"] is None


async def test_a_video_whose_image_is_being_committed_is_waited_for(g: Gateway) -> None:
    api = g.client()
    episode = await an_episode(api, 2)
    images = [s["assets"]["starting_image"] for s in episode["segments"]]
    started = {"action": "regenerate", "targets": [{"asset_id": i} for i in images]}
    await ok(await api.post(f"/episodes/{episode['id']}/bulk", json=started))
    await g.world.settle()
    approved = {"action": "approve", "targets": [{"asset_id": i} for i in images]}
    await ok(await api.post(f"/episodes/{episode['id']}/bulk", json=approved, headers=HURRIED))
    videos = {"action": "regenerate", "targets": of_segments(*(s["id"] for s in episode["segments"]))}
    await g.world.run_jobs()
    await g.world.post()
    accepted, g.world.mail = g.world.mail, []
    verdicts = [m for m in accepted if type(m.event).__name__ != "Complete"]
    await g.world.deliver(*verdicts)
    g.world.mail = [m for m in accepted if m not in verdicts]
    task = asyncio.ensure_future(api.post(f"/episodes/{episode['id']}/bulk", json=videos))
    await asyncio.sleep(0.1)
    assert not task.done()
    result = await ok(await decided(g, task))
    assert [o["status"] for o in result["results"]] == [202, 202]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"targets": []}, "/targets"),
    ({"targets": of_segments(EXAMPLE_ID) * 101}, "/targets"),
    ({"targets": [{}]}, "/targets/0"),
    ({"targets": of_segments(EXAMPLE_ID) * 2}, "/targets/1"),
    ({"targets": [{"segment_id": EXAMPLE_ID, "asset_id": EXAMPLE_ID}]}, "/targets/0"),
    ({"action": "regenerate", "targets": [{"run_id": EXAMPLE_ID}]}, "/targets/0"),
    (
        {"action": "regenerate", "targets": [{"segment_id": EXAMPLE_ID, "version_id": EXAMPLE_ID}]},
        "/targets/0/version_id",
    ),
    ({"action": "delete"}, "/action"),
    ({"suggested_changes": {"seed": 7}}, "/suggested_changes"),
    ({"action": "reject", "suggested_changes": {"seed": "seven"}}, "/suggested_changes/seed"),
    ({"action": "regenerate", "changes": {"model": 7}}, "/changes/model"),
    ({"action": "transition"}, "/transition_after"),
    ({"action": "transition", "transition_after": {"style": "wipe"}}, "/transition_after/style"),
    ({"rating": 6}, "/rating"),
]


async def test_what_is_wrong_whatever_the_targets_is_refused_at_once(g: Gateway) -> None:
    api = g.client()
    episode = await an_episode(api, 1)
    for change, pointer in WRONG:
        body = {"action": "approve", "targets": of_segments(episode["segments"][0]["id"])} | change
        refused = await ok(await api.post(f"/episodes/{episode['id']}/bulk", json=body), 422)
        assert [e["pointer"] for e in refused["errors"]] == [pointer]


async def test_one_of_several_variants_is_named_at_its_target(g: Gateway) -> None:
    api = g.client()
    episode = await an_episode(api, 1)
    image = episode["segments"][0]["assets"]["starting_image"]
    run = await ok(await api.post(f"/assets/{image}/runs", json={"variants": 2}), 202)
    await g.world.settle()
    body = {"action": "approve", "targets": [{"run_id": run["id"]}]}
    result = await ok(await api.post(f"/episodes/{episode['id']}/bulk", json=body))
    (error,) = result["results"][0]["problem"]["errors"]
    assert error["pointer"] == "/targets/0/version_id"
    assert "several candidates" in error["detail"]
    chosen = (await ok(await api.get(f"/runs/{run['id']}")))["versions"][1]["id"]
    body["targets"] = [{"run_id": run["id"], "version_id": chosen}]
    result = await ok(await decided(g, api.post(f"/episodes/{episode['id']}/bulk", json=body)))
    assert result["results"][0]["review"]["version_id"] == chosen


async def test_who_may_do_what_to_many(g: Gateway) -> None:
    project = await peopled(g)
    episode = await an_episode(g.client("owner"), 1, project)
    path, targets = f"/episodes/{episode['id']}/bulk", of_segments(episode["segments"][0]["id"])
    least = {
        "approve": ({}, Role.REVIEWER),
        "reject": ({}, Role.REVIEWER),
        "reject ": ({"regenerate": True}, Role.EDITOR),
        "regenerate": ({}, Role.EDITOR),
        "transition": ({"transition_after": None}, Role.EDITOR),
    }
    for action, (more, role) in least.items():
        body = {"action": action.strip(), "targets": targets, **more}
        assert (await g.client("stranger").post(path, json=body)).status_code == 404
        for member in (Role.VIEWER, Role.REVIEWER, Role.EDITOR):
            expected = 200 if member.at_least(role) else 403
            assert (await g.client(member).post(path, json=body)).status_code == expected, (action, member)


async def test_a_repeat_gets_the_first_response(g: Gateway) -> None:
    api = g.client()
    episode, ids = await with_previews(g, api)
    body, path = {"action": "approve", "targets": of_segments(*ids)}, f"/episodes/{episode['id']}/bulk"
    key = {"Idempotency-Key": "many"}
    first = await decided(g, api.post(path, json=body, headers=key))
    again = await api.post(path, json=body, headers=key)
    assert (first.status_code, again.json(), again.headers["Idempotency-Replayed"]) == (200, first.json(), "true")
    other = await api.post(path, json=body | {"targets": of_segments(ids[0])}, headers=key)
    assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency-mismatch")


async def test_a_repeat_after_an_interruption_does_the_rest(g: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every target has its effect once, whatever was interrupted."""
    api = g.client()
    episode = await an_episode(api, 3)
    images = [s["assets"]["starting_image"] for s in episode["segments"]]
    body, path = (
        {"action": "regenerate", "targets": [{"asset_id": i} for i in images]},
        f"/episodes/{episode['id']}/bulk",
    )
    key, failures = {"Idempotency-Key": "interrupted"}, [ConnectionError("the database went away"), ValueError("a bug")]

    async def failing(store: Any, caller: Any, episode_id: str, action: Any, target: Any) -> Any:
        if target.asset_id == images[1] and failures:
            raise failures.pop(0)
        return await apply_action(store, caller, episode_id, action, target)

    monkeypatch.setattr(bulk_requests, "apply_action", failing)
    partly = await ok(await api.post(path, json=body, headers=key))
    assert [o["status"] for o in partly["results"]] == [202, 503, 202]
    assert (await api.post(path, json=body, headers=key)).status_code == 500
    whole = await ok(await api.post(path, json=body, headers=key))
    assert [o["status"] for o in whole["results"]] == [202, 202, 202]
    assert [whole["results"][n]["run_id"] for n in (0, 2)] == [partly["results"][n]["run_id"] for n in (0, 2)]
    assert len(await g.world.pool.fetch("select 1 from runs")) == 3
