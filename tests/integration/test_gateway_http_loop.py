"""The API over a real database: the whole loop call by call, with every answer held against its published shape."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from services.gateway.api import await_commit
from services.gateway.api.schemas.accounts import Me, Member
from services.gateway.api.schemas.assets import Asset
from services.gateway.api.schemas.batches import Batch, Started
from services.gateway.api.schemas.episodes import Episode, EpisodeSummary, Order, Revision
from services.gateway.api.schemas.films import Compilation, CompilationStarted
from services.gateway.api.schemas.imports import Import
from services.gateway.api.schemas.models import Model
from services.gateway.api.schemas.projects import FeedEntry, Metrics, Project, Settings, Usage
from services.gateway.api.schemas.reviews import Review
from services.gateway.api.schemas.runs import Run
from services.gateway.api.schemas.segments import Segment, SegmentsStatus
from services.gateway.api.schemas.versions import Comparison, Version
from tests.support import events
from tests.support.gateway_http import Gateway, Stream
from tests.support.gateway_project import ProjectHarness
from tests.support.gateway_shapes import same_shape

SEGMENTS = [
    {
        "scene_info": {
            "scene_number": n,
            "location": "Harbour",
            "description": f"A harbour {n}",
            "dialogue": [{"character": "Ana", "text": "We leave at dawn."}],
        },
        "duration": 5,
        "directions": {"video": f"Pan left {n}", "starting_image": f"A harbour {n}"},
    }
    for n in (1, 2)
]


async def ok(response: httpx.Response, status: int = 200) -> Any:
    assert response.status_code == status, response.text
    return response.json()


async def an_episode(g: Gateway, api: httpx.AsyncClient) -> tuple[str, dict[str, Any]]:
    project = await ok(await api.post("/projects", json={"name": "Holidays"}), 201)
    episode = await ok(
        await api.post(
            f"/projects/{project['id']}/episodes",
            json={"title": "One", "segments": SEGMENTS, "directions": {"music": "Calm"}},
        ),
        201,
    )
    return project["id"], episode


def asset(episode: dict[str, Any], kind: str, number: int | None = 1) -> str:
    return next(a["id"] for a in episode["assets"] if a["kind"] == kind and a["segment_number"] == number)


async def test_the_loop_call_by_call(g: Gateway) -> None:
    api = g.client()
    project, episode = await an_episode(g, api)
    same_shape(Episode, episode)
    image = asset(episode, "starting_image")
    async with Stream(g.app, f"/projects/{project}/events?last_event_id={episode['cursor']}", g.token("ana")) as stream:
        run = await ok(await api.post(f"/assets/{image}/runs", json={}), 202)
        same_shape(Run, run)
        assert run["status"] == "requested"
        assert run["settings"] == {}
        await g.world.settle()
        run = await ok(await api.get(f"/runs/{run['id']}"))
        same_shape(Run, run)
        assert (run["status"], len(run["versions"]), run["message"]) == (
            "preview_ready",
            1,
            "Starting image ready for review",
        )
        assert run["deadline"]
        version = run["versions"][0]
        assert (
            "&exp=" in version["url"]
            and "preview=" in version["url"]
            and "v=" not in version["url"].partition("preview")[0]
        )

        shown = await ok(await api.get(f"/assets/{image}"))
        same_shape(Asset, shown)
        assert shown["preview"]["id"] == run["id"]
        assert shown["committed"] is None
        assert shown["defaults"]["model"] == {"value": "animatic/storyboard", "source": "default"}

        decide = asyncio.create_task(
            api.post(f"/runs/{run['id']}/review", json={"action": "approve", "rating": 5, "feedback": "Lovely"})
        )
        while not decide.done():
            await asyncio.sleep(0.02)
            await g.world.settle()
        review = await ok(await decide)
        same_shape(Review, review)
        assert (review["verdict"], review["user_id"], review["rating"]) == ("accepted", "ana", 5)
        shown = await ok(await api.get(f"/assets/{image}"))
        assert shown["committed"]["id"] == version["id"]
        assert f"v={shown['committed_at']}" in shown["committed"]["url"]
        assert shown["preview"] is None
        await stream.until(lambda: stream.named("complete"))
        names = [name for _, name, _ in stream.events]
        assert "snapshot" not in names
        assert names.index("preview-ready") < names.index("accepted") < names.index("complete")
        assert len(stream.named("preview-ready")) == 1
    late = await api.post(f"/runs/{run['id']}/review", json={"action": "reject"})
    assert (late.status_code, late.json()["type"], late.json()["outcome"]) == (
        409,
        "/problems/already-decided",
        "accepted",
    )
    assert late.json()["review_id"] == review["id"]


async def test_reading_a_run_says_what_the_stream_said(g: Gateway) -> None:
    api = g.client()
    project, episode = await an_episode(g, api)
    batch = await ok(await api.post(f"/episodes/{episode['id']}/batches", json={"mode": "sequential"}), 202)
    last: dict[str, Any] = {}

    async def follow() -> None:
        """Delivers one event after the other; after each, runs and batch read as the stream has told of them."""
        for _ in range(500):
            await g.world.run_jobs()
            await g.world.post()
            for told in await g.world.log(project):
                last[told.get("run_id") or told.get("batch_id") or ""] = told
            for run_id in [key for key, told in last.items() if told.get("run_id")]:
                told, run = last[run_id], await ok(await api.get(f"/runs/{run_id}"))
                if run["status"] == told["status"] and told["message"]:
                    assert run["message"] == told["message"], told
            shown = await ok(await api.get(f"/batches/{batch['id']}"))
            status = await ok(await api.get(f"/episodes/{episode['id']}/segments/status"))
            assert shown["message"] == last[batch["id"]]["message"]
            assert (shown["completed"], shown["approved"]) == (status["completed"], status["approved"])
            if not g.world.mail:
                return
            g.world.clock.move(0.001)
            await g.world.deliver(g.world.mail.pop(0))
        raise AssertionError("the events never come to an end")

    async def decide(**decision: Any) -> None:
        (run_id,) = await g.world.waiting(episode["id"])
        hurried = {"Prefer": "respond-async"}
        await ok(await api.post(f"/runs/{run_id}/review", json=decision, headers=hurried), 202)
        await follow()

    await follow()
    await decide(action="reject", suggested_changes={"prompt_modifications": "Slower"})
    (again,) = await g.world.waiting(episode["id"])
    assert (await ok(await api.get(f"/runs/{again}")))["message"] == "New version ready for review!"
    await decide(action="approve")
    await decide(action="reject")
    await api.post(f"/batches/{batch['id']}/resume", json={"skip_held": True})
    await follow()


async def test_a_film_tells_what_it_was_requested_with_and_its_place_in_the_queue(g: Gateway) -> None:
    api = g.client()
    _, episode = await an_episode(g, api)
    await ok(await api.post(f"/episodes/{episode['id']}/batches", json={"auto_approve": True}), 202)
    await g.world.settle()
    one, two = [s["id"] for s in episode["segments"]]
    body = {
        "transition_style": "dissolve",
        "transitions": [{"after_segment_id": one, "style": "fade", "duration": 0.8}],
        "audio_config": {"music_gain_db": -3, "narration": {two: {"gain_db": 2, "offset": 0.5}}},
        "captions": "burned",
    }
    hurried = {"Prefer": "respond-async"}
    jobs = []
    for _ in range(3):
        started = await ok(await api.post(f"/episodes/{episode['id']}/compile", json=body, headers=hurried), 202)
        jobs.append(started["compilation_job_id"])
    film = await ok(await api.get(f"/compilation-jobs/{jobs[0]}"))
    same_shape(Compilation, film)
    assert film["message"] == "Waiting to compile"
    assert (film["transition_style"], film["captions"]) == ("dissolve", "burned")
    assert film["transitions"] == [{"after_segment_id": one, "style": "fade", "duration": 0.8}]
    assert film["audio_config"]["music_gain_db"] == -3
    assert film["audio_config"]["narration"] == {two: {"gain_db": 2, "offset": 0.5}}

    async def places() -> list[int | None]:
        return [(await ok(await api.get(f"/compilation-jobs/{job}")))["queue_position"] for job in jobs]

    async def reports(job: str, **report: Any) -> None:
        event = events.film_updated(episode_id=episode["id"], compilation_id=job, **report)
        await g.world.deliver(events.message(event, at=g.world.clock.now()))

    assert await places() == [1, 2, 3]
    for rev, job in enumerate(jobs, 1):  # what the compiler has counted when it took them does not matter
        await reports(job, rev=rev, state="pending", queue_position=0)
    assert await places() == [1, 2, 3]
    await reports(jobs[0], rev=10, state="processing")
    assert await places() == [None, 1, 2]
    await reports(jobs[1], rev=10, state="cancelled")
    assert await places() == [None, None, 1]
    assert (await ok(await api.get(f"/compilation-jobs/{jobs[1]}")))["message"] == "Cancelled"
    await reports(jobs[0], rev=11, state="failed", problem=events.problem(cause="The disk is full."))
    failed = await ok(await api.get(f"/compilation-jobs/{jobs[0]}"))
    assert failed["message"] == "The film could not be compiled: The disk is full."


@pytest.mark.parametrize(
    ("path", "value", "known"),
    [
        ("/projects/{project}/runs?status=", "bogus", "preview_ready"),
        ("/projects/{project}/runs?kind=video,", "film", "starting_image"),
        ("/projects/{project}/runs?provider=", "nobody", "animatic"),
        ("/projects/{project}/reviews?action=", "like", "request_regeneration"),
        ("/projects/{project}/reviews?status=", "bogus", "refused"),
        ("/projects/{project}/progress?status=", "bogus", "generating"),
        ("/episodes/{episode}/batches?status=", "bogus", "waiting_review"),
        ("/episodes/{episode}/compilation-jobs?status=", "bogus", "processing"),
        ("/episodes/{episode}/segments?kind=", "video", "shot"),
        ("/episodes/{episode}/assets?stale=", "maybe", "true"),
        ("/assets/{asset}/versions?status=", "bogus", "not_chosen"),
        ("/projects/{project}/runs?segment_id=", "first", None),
        ("/models?kind=", "film", "music"),
    ],
)
async def test_a_filter_refuses_what_it_does_not_know(g: Gateway, path: str, value: str, known: str | None) -> None:
    api = g.client()
    project, episode = await an_episode(g, api)
    path = path.format(project=project, episode=episode["id"], asset=asset(episode, "video"))
    refused = await ok(await api.get(path + value), 422)
    name = path.partition("?")[2].partition("=")[0]
    (error,) = refused["errors"]
    assert error["pointer"] == f"query:{name}"
    assert value in error["detail"]
    if known:
        assert known in error["detail"]
        await ok(await api.get(path + known))


async def test_a_segment_takes_its_notes_transition_and_script_ids(g: Gateway) -> None:
    api = g.client()
    project, episode = await an_episode(g, api)
    body = {
        "scene_info": {"description": "A quay"},
        "transition_after": {"style": "fade", "duration": 0.8},
        "user_notes": "Ask Ana.",
        "scene_id": "sc-12",
        "shot_id": "sh-3",
    }
    made = await ok(await api.post(f"/episodes/{episode['id']}/segments", json=body), 201)
    same_shape(Segment, made)
    assert {name: made[name] for name in body if name != "scene_info"} == {
        name: value for name, value in body.items() if name != "scene_info"
    }
    changed = await api.patch(f"/segments/{made['id']}", json={"shot_id": "sh-4"}, headers={"If-Match": "*"})
    assert ((await ok(changed))["scene_id"], changed.json()["shot_id"]) == ("sc-12", "sh-4")
    cleared = await api.patch(f"/segments/{made['id']}", json={"scene_id": None}, headers={"If-Match": "*"})
    assert (await ok(cleared))["scene_id"] is None
    long = await api.post(f"/episodes/{episode['id']}/segments", json={"scene_id": "x" * 201})
    assert (long.status_code, long.json()["errors"][0]["pointer"]) == (422, "/scene_id")
    document = {"title": "Two", "segments": [{"scene_id": "a", "shot_id": "b", "scene_info": {"description": "A"}}]}
    written = await ok(await api.post(f"/projects/{project}/episodes", json=document), 201)
    assert (written["segments"][0]["scene_id"], written["segments"][0]["shot_id"]) == ("a", "b")


async def test_a_rejected_segment_says_why(g: Gateway) -> None:
    api = g.client()
    _, episode = await an_episode(g, api)
    segment = episode["segments"][0]["id"]
    assert (await ok(await api.get(f"/segments/{segment}")))["rejection_reason"] is None
    hurried = {"Prefer": "respond-async"}
    for reason in ("Too dark", "Too slow"):
        await ok(await api.post(f"/segments/{segment}/regenerate", json={"changes": {}}), 202)
        await g.world.settle()
        body = {"reason": reason, "regenerate": False}
        await ok(await api.post(f"/segments/{segment}/reject", json=body, headers=hurried), 202)
        await g.world.settle()
        g.world.clock.move(1)
    assert (await ok(await api.get(f"/segments/{segment}")))["rejection_reason"] == "Too slow"


async def test_who_uploads_or_reopens_hears_what_can_be_done(g: Gateway) -> None:
    api = g.client()
    _, episode = await an_episode(g, api)
    image = asset(episode, "starting_image")
    url = {"url": "https://example.org/a.png"}
    first = await ok(await api.post(f"/assets/{image}/runs", json={}), 202)
    working = await ok(await api.post(f"/assets/{image}/versions", json=url), 409)
    assert "cancel it" in working["recovery"]
    await g.world.settle()
    hurried = {"Prefer": "respond-async"}
    await ok(await api.post(f"/runs/{first['id']}/review", json={"action": "reject"}, headers=hurried), 202)
    await g.world.settle()
    second = await ok(await api.post(f"/assets/{image}/runs", json={}), 202)
    await g.world.settle()
    for refused in (
        await ok(await api.post(f"/assets/{image}/versions", json=url), 409),
        await ok(await api.post(f"/runs/{first['id']}/reopen"), 409),
    ):
        assert refused["active_id"] == second["id"]
        assert refused["detail"] == "A preview of Segment 1 starting image waits for a decision."
        assert refused["recovery"] == "Accept or reject it first."


async def test_a_draft_refuses_what_its_run_would(g: Gateway) -> None:
    api = g.client()
    _, episode = await an_episode(g, api)
    path = f"/assets/{asset(episode, 'video')}/draft"
    for settings, pointer in (
        ({"zoom": 3}, "/settings/zoom"),
        ({"resolution": "9p"}, "/settings/resolution"),
        ({"model": "x/y"}, "/settings/model"),
    ):
        body = {"directions": "Tilt up", "settings": settings}
        refused = await ok(await api.put(path, json=body, headers={"If-Match": "*"}), 422)
        assert [e["pointer"] for e in refused["errors"]] == [pointer]
    body = {"directions": "Tilt up", "settings": {"model": "animatic/camera", "resolution": "720p"}}
    await ok(await api.put(path, json=body, headers={"If-Match": "*"}))


async def test_a_video_waits_for_the_commit_of_its_starting_image(g: Gateway) -> None:
    api = g.client()
    _, episode = await an_episode(g, api)
    image, video = asset(episode, "starting_image"), asset(episode, "video")
    run = await ok(await api.post(f"/assets/{image}/runs", json={}), 202)
    await g.world.settle()
    hurried = {"Prefer": "respond-async"}
    await ok(await api.post(f"/runs/{run['id']}/review", json={"action": "approve"}, headers=hurried), 202)
    await g.world.post()
    accepted, complete = g.world.mail
    await g.world.deliver(accepted)
    g.world.mail = []
    asked = asyncio.create_task(api.post(f"/assets/{video}/runs", json={}))
    await asyncio.sleep(0.3)
    assert not asked.done()
    await g.world.deliver(complete)
    made = await ok(await asked, 202)
    await g.world.post()
    committed = (await ok(await api.get(f"/assets/{image}")))["committed"]["id"]
    assert g.world.services.requests[made["id"]].starting_image_version_id == committed


async def test_a_video_does_not_wait_for_ever_for_its_starting_image(
    g: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(await_commit, "COMMIT_S", 0.2)
    api = g.client()
    _, episode = await an_episode(g, api)
    run = await ok(await api.post(f"/assets/{asset(episode, 'starting_image')}/runs", json={}), 202)
    await g.world.settle()
    hurried = {"Prefer": "respond-async"}
    await ok(await api.post(f"/runs/{run['id']}/review", json={"action": "approve"}, headers=hurried), 202)
    await g.world.post()
    await g.world.deliver(g.world.mail[0])
    late = await api.post(f"/segments/{episode['segments'][0]['id']}/regenerate", json={"changes": {}})
    assert (late.status_code, late.json()["type"], late.json()["active_id"]) == (409, "/problems/busy", run["id"])
    assert late.json()["detail"] == "Segment 1 starting image is accepted and is being committed."


async def test_a_batch_from_generate_segments_to_the_film(g: Gateway) -> None:
    api = g.client()
    project, episode = await an_episode(g, api)
    started = await ok(
        await api.post(
            f"/episodes/{episode['id']}/generate-segments",
            json={"mode": "sequential", "batch_size": 1, "start_from": 0, "auto_approve": False},
        ),
        202,
    )
    same_shape(Started, started)
    assert (started["total_segments"], started["status"]) == (2, "started")
    busy = await api.post(f"/episodes/{episode['id']}/batches", json={})
    assert (busy.status_code, busy.json()["active_id"]) == (409, started["job_id"])
    await g.world.settle()
    batch = await ok(await api.get(f"/batches/{started['job_id']}"))
    same_shape(Batch, batch)
    assert batch["status"] == "waiting_review"

    first, second = (s["id"] for s in episode["segments"])
    segment = await ok(await api.get(f"/segments/{first}"))
    same_shape(Segment, segment)
    assert (segment["status"], segment["approval_status"]) == ("completed", None)
    assert segment["waiting_run_id"] and segment["committed_version"] is None
    assert segment["video_url"] and "preview=" in segment["video_url"]
    media = segment["video_url"].partition("/api/v1")[2].partition("/content")[0]
    for rendition, slug in (("proxy", "gone"), ("filmstrip", "not-found")):  # without a proxy it is the video itself
        assert (await api.get(f"{media}/{rendition}")).json()["type"] == f"/problems/{slug}"
    assert segment["generation_params"]["prompt"] == "Pan left 1"
    seed004 = {
        "id",
        "segment_number",
        "scene_info",
        "video_url",
        "thumbnail_url",
        "duration",
        "generation_params",
        "quality_metrics",
        "status",
        "approval_status",
        "version",
        "previous_versions",
    }
    assert seed004 <= set(segment)
    assert {"prompt", "style", "seed"} <= set(segment["generation_params"])
    assert set(segment["quality_metrics"]) == {"overall_score", "consistency_score", "visual_quality"}

    rejecting = asyncio.create_task(
        api.post(
            f"/segments/{first}/reject",
            json={"reason": "Too fast", "suggested_changes": {"prompt_modifications": "Slower."}},
        )
    )
    rejected = await ok(await settled(g, rejecting))
    assert (rejected["verdict"], rejected["feedback"]) == ("rejected", "Too fast")
    again = await ok(await api.get(f"/runs/{rejected['next_run_id']}"))
    same_shape(Run, again)
    assert (again["status"], again["parent_reason"]) == ("preview_ready", "rejected")
    assert again["directions"] == "Pan left 1\nSlower."

    status = await ok(await api.get(f"/episodes/{episode['id']}/segments/status"))
    same_shape(SegmentsStatus, status)
    assert (status["total_segments"], status["completed"], status["approved"], status["current_segment"]) == (
        2,
        1,
        0,
        1,
    )
    for segment_id in (first, second):
        approving = asyncio.create_task(api.post(f"/segments/{segment_id}/approve", json={"rating": 4}))
        assert (await ok(await settled(g, approving)))["verdict"] == "accepted"
    status = await ok(await api.get(f"/episodes/{episode['id']}/segments/status"))
    assert (status["approved"], status["pending"], status["current_segment"]) == (2, 0, None)
    assert (await ok(await api.get(f"/batches/{started['job_id']}")))["status"] == "completed"
    segment = await ok(await api.get(f"/segments/{first}"))
    same_shape(Segment, segment)
    assert segment["approval_status"] == "approved"
    assert len(segment["previous_versions"]) == 1
    none_waits = await api.post(f"/segments/{first}/approve", json={})
    assert none_waits.json()["type"] == "/problems/invalid-state"

    job = await ok(
        await api.post(
            f"/episodes/{episode['id']}/compile",
            json={"transition_style": "fade", "audio_config": {"background_music": True, "volume_normalization": True}},
        ),
        202,
    )
    same_shape(CompilationStarted, job)
    assert job["left_out"] == []
    queued = await ok(await api.get(f"/compilation-jobs/{job['compilation_job_id']}"))
    same_shape(Compilation, queued)
    assert (queued["status"], queued["queue_position"]) == ("pending", 1)
    assert job["estimated_duration"] == queued["estimated_duration"] != 7.5
    await g.world.settle()
    asking = asyncio.create_task(api.post(f"/episodes/{episode['id']}/compile", json={}))
    told = await ok(await settled(g, asking), 202)
    assert told["estimated_duration"] == 7.5, "as the compiler has said meanwhile"
    film = await ok(await api.get(f"/compilation-jobs/{job['compilation_job_id']}", headers={"Prefer": "wait=5"}))
    same_shape(Compilation, film)
    assert (film["status"], film["progress"]) == ("completed", 100)
    assert "/media/films/" in film["output_video_url"]
    rated = await ok(await api.put(f"/compilation-jobs/{film['id']}/rating", json={"rating": 5}))
    assert rated["rating"] == 5

    metrics = await ok(await api.get(f"/episodes/{episode['id']}/metrics"))
    same_shape(Metrics, metrics)
    assert (metrics["segments_reviewed"], metrics["first_time_approval_rate"], metrics["regeneration_rate"]) == (
        2,
        0.5,
        0.5,
    )
    assert metrics["mean_rating"] == 4
    for path, model in (
        (f"/projects/{project}/runs", Run),
        (f"/projects/{project}/reviews", Review),
        (f"/projects/{project}/progress", FeedEntry),
        (f"/episodes/{episode['id']}/assets", Asset),
        (f"/episodes/{episode['id']}/batches", Batch),
        (f"/episodes/{episode['id']}/revisions", Revision),
        (f"/episodes/{episode['id']}/segments", Segment),
        (f"/projects/{project}/members", Member),
        (f"/projects/{project}/episodes", EpisodeSummary),
        ("/projects", Project),
        ("/models", Model),
        (f"/episodes/{episode['id']}/compilation-jobs", Compilation),
        (f"/assets/{asset(episode, 'video')}/versions", Version),
        (f"/assets/{asset(episode, 'video')}/runs", Run),
    ):
        found = await ok(await api.get(path))
        assert found["data"], path
        for item in found["data"]:
            same_shape(model, item)
    for path, model in (
        ("/me", Me),
        (f"/projects/{project}/settings", Settings),
        (f"/projects/{project}/usage", Usage),
        (f"/projects/{project}/metrics", Metrics),
        (f"/projects/{project}", Project),
        (f"/episodes/{episode['id']}", Episode),
        (f"/episodes/{episode['id']}/order", Order),
    ):
        same_shape(model, await ok(await api.get(path)))


async def settled(g: Gateway, task: asyncio.Task[httpx.Response]) -> httpx.Response:
    """The other services work while a request waits for them."""
    while not task.done():
        await g.world.settle()
        await asyncio.sleep(0.02)
    await g.world.settle()
    return task.result()


async def test_of_fifty_decisions_at_once_one_counts(g: Gateway) -> None:
    api = g.client()
    _, episode = await an_episode(g, api)
    run = await ok(await api.post(f"/assets/{asset(episode, 'music', None)}/runs", json={}), 202)
    await g.world.settle()
    tasks = [
        asyncio.create_task(api.post(f"/runs/{run['id']}/review", json={"action": (n % 2 and "approve") or "reject"}))
        for n in range(50)
    ]
    while not all(t.done() for t in tasks):
        await g.world.settle()
        await asyncio.sleep(0.02)
    statuses = [t.result().status_code for t in tasks]
    assert (statuses.count(200), statuses.count(409)) == (1, 49)
    assert {t.result().json()["type"] for t in tasks if t.result().status_code == 409} == {"/problems/already-decided"}


async def test_asking_again_while_a_preview_waits_closes_it(g: Gateway) -> None:
    api = g.client()
    _, episode = await an_episode(g, api)
    image = asset(episode, "starting_image")
    first = await ok(await api.post(f"/assets/{image}/runs", json={}), 202)
    busy = await api.post(f"/assets/{image}/runs", json={})
    assert (busy.status_code, busy.json()["active_id"]) == (409, first["id"])
    before = await ok(await api.get(f"/assets/{image}"))
    await g.world.settle()
    waiting = await ok(await api.get(f"/assets/{image}"))
    assert waiting["preview"]["updated_at"] <= waiting["updated_at"] > before["updated_at"], "clients keep the newer"
    blank = await api.post(f"/assets/{image}/runs", json={"directions": "  "})
    assert (blank.status_code, blank.json()["errors"]) == (
        422,
        [{"pointer": "/directions", "detail": "directions must not be blank."}],
    )
    assert (await ok(await api.get(f"/runs/{first['id']}")))["status"] == "preview_ready", "nothing was closed for it"
    asking = asyncio.create_task(api.post(f"/assets/{image}/runs", json={"directions": "A lighthouse"}))
    second = await ok(await settled(g, asking), 202)
    assert second["parent_run_id"] == first["id"]
    closed = await ok(await api.get(f"/runs/{first['id']}"))
    assert (closed["status"], closed["review"]["action"]) == ("rejected", "request_regeneration")
    versions = (await ok(await api.get(f"/assets/{image}/versions")))["data"]
    assert [v["number"] for v in versions] == [2, 1]
    compared = await ok(await api.get(f"/assets/{image}/compare?versions={versions[1]['id']},{versions[0]['id']}"))
    same_shape(Comparison, compared)
    assert {"field": "directions", "values": ["A harbour 1", "A lighthouse"]} in compared["differences"]
    stranger = await api.get(
        f"/assets/{asset(episode, 'video')}/compare?versions={versions[1]['id']},{versions[0]['id']}"
    )
    assert stranger.status_code == 404


async def test_an_answer_can_be_held_until_the_work_rests(g: Gateway) -> None:
    api = g.client()
    _, episode = await an_episode(g, api)
    image = asset(episode, "starting_image")
    asking = asyncio.create_task(api.post(f"/assets/{image}/runs", json={}, headers={"Prefer": "wait=20"}))
    response = await settled(g, asking)
    run = await ok(response)
    assert run["status"] == "preview_ready"
    assert response.headers["preference-applied"] == "wait=20"
    assert response.headers["location"] == f"/api/v1/runs/{run['id']}"
    other = asset(episode, "starting_image", 2)
    early = await api.post(f"/assets/{other}/runs", json={}, headers={"Prefer": "wait=1"})
    assert (early.status_code, early.json()["status"]) == (202, "requested")
    assert "preference-applied" not in early.headers
    got = await api.get(f"/runs/{early.json()['id']}", headers={"Prefer": "wait=1"})
    assert (got.status_code, got.headers["preference-applied"]) == (200, "wait=1")
    pending = await api.post(
        f"/runs/{run['id']}/review", json={"action": "approve"}, headers={"Prefer": "respond-async"}
    )
    assert (pending.status_code, pending.json()["verdict"]) == (202, "pending")


async def test_the_same_key_gets_the_same_answer(g: Gateway) -> None:
    api = g.client()
    _, episode = await an_episode(g, api)
    image = asset(episode, "starting_image")
    key = {"Idempotency-Key": "k-1"}
    first, *others = await asyncio.gather(*(api.post(f"/assets/{image}/runs", json={}, headers=key) for _ in range(5)))
    answers = [first, *others]
    accepted = [a for a in answers if a.status_code == 202]
    in_flight = [a for a in answers if a.status_code == 409]
    assert len({a.json()["id"] for a in accepted}) == 1
    assert {a.json()["type"] for a in in_flight} <= {"/problems/idempotency-in-flight"}
    assert all(a.headers["retry-after"] for a in in_flight)
    again = await api.post(f"/assets/{image}/runs", json={}, headers=key)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.text == next(a for a in accepted if "idempotency-replayed" not in a.headers).text
    assert again.headers["location"] == accepted[0].headers["location"]
    for other in (
        await api.post(f"/assets/{image}/runs", json={"variants": 2}, headers=key),
        await api.post(f"/assets/{asset(episode, 'starting_image', 2)}/runs", json={}, headers=key),
    ):
        assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency-mismatch")
    bob = g.client("bob")
    theirs = await bob.post("/projects", json={"name": "Mine"}, headers=key)
    assert (theirs.status_code, "idempotency-replayed" in theirs.headers) == (201, False)
    refused = {"Idempotency-Key": "k-2"}
    assert (await api.post(f"/assets/{image}/runs", json={}, headers=refused)).status_code == 409
    await g.world.settle()
    asking = asyncio.create_task(api.post(f"/assets/{image}/runs", json={"directions": "Again"}, headers=refused))
    assert (await settled(g, asking)).status_code == 202  # a refusal was not kept
    assert (await api.post("/projects", json={"name": "x"}, headers={"Idempotency-Key": "x" * 256})).status_code == 400


async def test_what_a_version_was_asked_to_look_like_is_shown(g: Gateway) -> None:
    api = g.client()
    project, episode = await an_episode(g, api)
    await ProjectHarness(g, project).images(episode)
    await ok(await api.patch(f"/projects/{project}/settings", json={"style": "Noir"}, headers={"If-Match": "*"}))
    regenerate = f"/segments/{episode['segments'][0]['id']}/regenerate"
    changes = {"style_adjustments": "grainy", "character_prompt": "with glasses"}
    run = await ok(await api.post(regenerate, json={"changes": changes}), 202)
    assert (run["style_adjustments"], run["character_prompt"]) == ("grainy", "with glasses")
    await g.world.settle()
    (version,) = (await ok(await api.get(f"/assets/{run['asset_id']}/versions")))["data"]
    assert (version["style"], version["character_prompt"]) == ("Noir, grainy", "with glasses")
    segment = f"/segments/{episode['segments'][0]['id']}"
    own = {"style": "At night", "characters": "Ada is old"}
    changed = await ok(await api.patch(segment, json=own, headers={"If-Match": "*"}))
    assert {name: changed[name] for name in own} == own
    await ok(await api.post(f"/runs/{run['id']}/review", json={"action": "approve", "rating": 5}), 202)
    await g.world.settle()
    defaults = (await ok(await api.get(f"/assets/{run['asset_id']}")))["defaults"]
    assert {name: defaults[name] for name in ("style", "characters", "style_adjustments", "character_prompt")} == {
        "style": {"value": "Noir, At night", "source": "segment"},
        "characters": {"value": "Ada is old", "source": "segment"},
        "style_adjustments": {"value": "grainy", "source": "existing"},
        "character_prompt": {"value": "with glasses", "source": "existing"},
    }
    run = await ok(await api.post(regenerate, json={}), 202)
    await g.world.settle()
    requested = g.world.services.requests[run["id"]]
    assert (requested.segment_style, requested.segment_characters) == ("At night", "Ada is old")
    cleared = await ok(await api.patch(segment, json={"style": None}, headers={"If-Match": "*"}))
    assert (cleared["style"], cleared["characters"]) == (None, "Ada is old")
    for name, value in (("seed", "abc"), ("resolution", "9p"), ("duration", -4), ("model", "no/such")):
        wrong = await api.post(regenerate, json={"changes": {name: value}})
        assert [e["pointer"] for e in wrong.json()["errors"]] == [f"/changes/{name}"]
        review = {"action": "reject", "regenerate": True, "suggested_changes": {name: value}}
        wrong = await api.post(f"/runs/{run['id']}/review", json=review)
        assert [e["pointer"] for e in wrong.json()["errors"]] == [f"/suggested_changes/{name}"]


async def test_the_language_of_a_narration_is_guessed_over_the_episode_until_one_is_set(g: Gateway) -> None:
    api = g.client()
    project = (await ok(await api.post("/projects", json={"name": "P"}), 201))["id"]
    texts = ["Der Morgen beginnt mit einer Tasse Kaffee am Fenster.", "Plan A", "Draußen regnet es schon seit Tagen."]
    segments = [{"directions": {"narration": text}} for text in texts]
    body = {"title": "E", "segments": segments}
    episode = await ok(await api.post(f"/projects/{project}/episodes", json=body), 201)
    narration = asset(episode, "narration", 2)
    language = (await ok(await api.get(f"/assets/{narration}")))["defaults"]["language"]
    assert (language["value"], language["source"]) == ("de", "guessed") and 0.5 < language["confidence"] <= 1
    run = await ok(await api.post(f"/assets/{narration}/runs", json={}), 202)
    await g.world.settle()
    guess = g.world.services.requests[run["id"]].guessed_language
    assert guess and (guess.language, guess.confidence) == ("de", language["confidence"])
    settings = {"narration": {"language": "en"}}
    await ok(await api.patch(f"/projects/{project}/settings", json=settings, headers={"If-Match": "*"}))
    set_one = (await ok(await api.get(f"/assets/{narration}")))["defaults"]["language"]
    assert set_one == {"value": "en", "source": "project.narration"}
    other = await ok(await api.post(f"/assets/{asset(episode, 'narration', 1)}/runs", json={}), 202)
    await g.world.settle()
    assert g.world.services.requests[other["id"]].guessed_language is None


async def test_changes_build_on_what_was_seen(g: Gateway) -> None:
    api = g.client()
    project, episode = await an_episode(g, api)
    path = f"/projects/{project}"
    got = await api.get(path)
    assert got.headers["etag"] == '"1"'
    assert (await api.patch(path, json={"name": "B"})).json()["type"] == "/problems/precondition-required"
    changed = await api.patch(path, json={"name": "B"}, headers={"If-Match": '"1"'})
    assert (changed.status_code, changed.json()["name"], changed.headers["etag"]) == (200, "B", '"2"')
    stale = await api.patch(path, json={"name": "C"}, headers={"If-Match": '"1"'})
    assert (stale.status_code, stale.json()["etag"]) == (412, '"2"')
    assert (await api.patch(path, json={"name": "C"}, headers={"If-Match": 'W/"2"'})).status_code == 412
    assert (await api.patch(path, json={"name": "C"}, headers={"If-Match": "*"})).status_code == 200
    ids = [s["id"] for s in episode["segments"]]
    order = await api.put(
        f"/episodes/{episode['id']}/order", json={"segment_ids": ids[::-1]}, headers={"If-Match": '"1"'}
    )
    assert (order.json()["segment_ids"], order.headers["etag"]) == (ids[::-1], f'"{order.json()["revision"]}"')
    assert (
        await api.put(f"/episodes/{episode['id']}/order", json={"segment_ids": ids}, headers={"If-Match": '"1"'})
    ).status_code == 412
    half = await api.put(f"/episodes/{episode['id']}/order", json={"segment_ids": ids[:1]}, headers={"If-Match": "*"})
    assert half.json()["type"] == "/problems/invalid"
    segment = await api.patch(
        f"/segments/{ids[0]}",
        json={"user_notes": "Brighter", "duration": 4, "transition_after": {"style": "fade"}},
        headers={"If-Match": "*"},
    )
    same_shape(Segment, await ok(segment))
    assert (segment.json()["user_notes"], segment.json()["target_duration"]) == ("Brighter", 4)
    draft = await api.put(
        f"/assets/{asset(episode, 'video')}/draft",
        json={"directions": "Tilt up", "settings": {}},
        headers={"If-Match": "*"},
    )
    assert (await ok(draft))["draft"]["directions"] == "Tilt up"
    assert (await api.delete(f"/assets/{asset(episode, 'video')}/draft")).status_code == 204
    settings = await api.patch(
        f"{path}/settings", json={"style": "Film noir", "video": {"resolution": "720p"}}, headers={"If-Match": '"1"'}
    )
    same_shape(Settings, await ok(settings))
    shown = await ok(await api.get(f"/assets/{asset(episode, 'video')}"))
    assert shown["defaults"]["resolution"] == {"value": "720p", "source": "project.video"}
    assert shown["defaults"]["duration"]["source"] == "override"
    added = await api.post(f"/episodes/{episode['id']}/segments", json={"type": "shot", "position": 1})
    assert (await ok(added, 201))["segment_number"] == 1
    assert (await api.delete(f"/segments/{ids[0]}")).status_code == 204
    assert (await api.get(f"/segments/{ids[0]}")).status_code == 404


async def test_pages_follow_each_other_and_filters_narrow(g: Gateway) -> None:
    api = g.client()
    project, episode = await an_episode(g, api)
    made = {episode["id"]} | {
        (await ok(await api.post(f"/projects/{project}/episodes", json={"title": str(n)}), 201))["id"] for n in range(4)
    }
    seen: list[str] = []
    cursor = ""
    for _ in range(10):
        page = await ok(await api.get(f"/projects/{project}/episodes?limit=2{cursor}"))
        assert len(page["data"]) <= 2
        seen += [item["id"] for item in page["data"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert len(seen) == 5
    assert set(seen) == made
    assert seen == sorted(seen, reverse=True)
    kinds = await ok(await api.get(f"/episodes/{episode['id']}/assets?kind=video,music"))
    assert {a["kind"] for a in kinds["data"]} == {"video", "music"}
    assert (await ok(await api.get(f"/episodes/{episode['id']}/assets?stale=true")))["data"] == []
    assert (await ok(await api.get(f"/projects/{project}/episodes?created_after=2100-01-01T00:00:00Z")))["data"] == []
    numbers = [
        s["segment_number"] for s in (await ok(await api.get(f"/episodes/{episode['id']}/segments?limit=1")))["data"]
    ]
    assert numbers == [1]
    for wrong in ("limit=0", "limit=201", "limit=x", "cursor=%21", "cursor=YWJj", "created_after=soon"):
        response = await api.get(f"/projects/{project}/episodes?{wrong}")
        assert response.json()["type"] == "/problems/invalid", wrong
        assert response.json()["errors"][0]["pointer"].startswith("query:")


@pytest.mark.parametrize("document", ["document", "yaml"])
async def test_an_episode_is_imported(g: Gateway, document: str) -> None:
    api = g.client()
    project = (await ok(await api.post("/projects", json={"name": "P"}), 201))["id"]
    body: Any = {"title": "Two", "mood": "blue", "segments": [{"scene_info": {"description": "The sea"}}]}
    if document == "yaml":
        body = "title: Two\nmood: blue\nsegments:\n- scene_info: {description: The sea}\n"
    started = await ok(await api.post(f"/projects/{project}/imports", json={document: body}), 202)
    same_shape(Import, started)
    assert started["status"] == "completed"
    assert any("mood" in w for w in started["warnings"])
    episode = await ok(await api.get(f"/episodes/{started['episode_id']}"))
    assert [s["scene_info"]["description"] for s in episode["segments"]] == ["The sea"]
    for wrong in (
        {},
        {"document": {"title": "A"}, "yaml": "title: A"},
        {"yaml": "a: [1"},
        {"yaml": "- 1"},
        {"yaml": "a: &x 1\nb: *x"},
        {"document": {"segments": []}},
        {"upload_id": started["id"]},
    ):
        response = await api.post(f"/projects/{project}/imports", json=wrong)
        assert response.json()["type"] == "/problems/invalid", wrong
