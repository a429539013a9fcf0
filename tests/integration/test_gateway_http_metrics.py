"""Review metrics of histories whose figures are known."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from prometheus_client import REGISTRY

from tests.support.gateway_http import Gateway
from tests.support.gateway_project import ProjectHarness
from tests.support.waiting import eventually


async def test_the_figures_are_those_of_the_history(g: Gateway) -> None:
    made = await g.client().post("/projects", json={"name": "P"})
    studio = ProjectHarness(g, made.json()["id"])
    empty = await studio.metrics(f"/projects/{studio.project_id}")
    assert (empty["segments_reviewed"], empty["first_time_approval_rate"], empty["mean_rating"]) == (0, None, None)
    assert (empty["films"], empty["seconds_to_film"], empty["mean_film_rating"]) == (0, None, None)

    one, two = await studio.episode(3), await studio.episode(1)
    await studio.images(one)
    await studio.images(two)
    first, second, third = one["segments"]
    await studio.video(first, ("approve", 5))
    await studio.video(second, ("reject", 2), ("reject", None), ("approve", 4), variants=2)
    await studio.api.post(f"/episodes/{one['id']}/batches", json={"auto_approve": True})  # makes the third: a policy's
    await g.world.settle()
    assert (await studio.api.get(f"/segments/{third['id']}")).json()["approval_status"] == "approved"
    g.world.clock.move(100)
    await studio.film(one, 4)
    await studio.film(one, None)
    await studio.video(two["segments"][0], ("approve", None))

    of_one = await studio.metrics(f"/episodes/{one['id']}")
    assert (of_one["segments_reviewed"], of_one["decisions"]) == (2, 4)
    assert (of_one["first_time_approval_rate"], of_one["regeneration_rate"]) == (0.5, 0.5)
    assert (of_one["mean_rating"], of_one["ratings"]) == (pytest.approx(11 / 3), 3)
    assert (of_one["films"], of_one["mean_film_rating"], of_one["film_ratings"]) == (1, 4, 1)
    begun, ready = await g.world.pool.fetchrow(
        "select (select min(created_at) from runs where episode_id = $1), "
        "(select min(completed_at) from compilations where episode_id = $1)",
        one["id"],
    )
    assert of_one["seconds_to_film"] == pytest.approx((ready - begun).total_seconds(), abs=0.001)

    of_all = await studio.metrics(f"/projects/{studio.project_id}")
    assert (of_all["segments_reviewed"], of_all["decisions"], of_all["films"]) == (3, 5, 1)
    assert of_all["first_time_approval_rate"] == pytest.approx(2 / 3)
    assert of_all["regeneration_rate"] == pytest.approx(1 / 3)
    assert (await studio.metrics(f"/episodes/{two['id']}"))["first_time_approval_rate"] == 1


async def test_the_time_of_generation_is_per_five_seconds_of_video_and_told_against_its_target(g: Gateway) -> None:
    made = await g.client().post("/projects", json={"name": "P"})
    studio = ProjectHarness(g, made.json()["id"])
    episode = await studio.episode(2)
    await studio.images(episode)
    empty = await studio.metrics(f"/episodes/{episode['id']}")
    assert (empty["videos_generated"], empty["generation_seconds_per_5s"]) == (0, None)
    assert empty["met"]["generation_seconds_per_5s"] is None
    for segment in episode["segments"]:
        await studio.video(segment, ("approve", 5))
    begins = """update runs r set started_at = t.at - make_interval(secs => $2) from run_steps t
                where t.run_id = r.run_id and t.state = 'preview_ready' and r.kind = 'video' and r.segment_id = $1"""
    first, second = [segment["id"] for segment in episode["segments"]]
    for segment_id, seconds, media in ((first, 30.0, {"duration_s": 5.0}), (second, 330.0, {"duration_s": 10.0})):
        await g.world.pool.execute(begins, segment_id, seconds)
        await g.world.pool.execute(
            "update versions set media = $2 where segment_id = $1 and kind = 'video'", segment_id, media
        )
    found = await studio.metrics(f"/episodes/{episode['id']}")
    assert found["videos_generated"] == 2
    assert found["generation_seconds_per_5s"] == pytest.approx(5 * 360 / 15)
    assert (found["targets"]["generation_seconds_per_5s"], found["met"]["generation_seconds_per_5s"]) == (120, False)
    assert found["met"]["first_time_approval_rate"] is True, "all were approved at once"
    await g.world.pool.execute(begins, second, 30.0)
    assert (await studio.metrics(f"/projects/{studio.project_id}"))["met"]["generation_seconds_per_5s"] is True


async def test_prometheus_gets_a_few_numbers_whatever_the_number_of_projects(g: Gateway) -> None:
    text = (await g.client(None).get("http://localhost/metrics")).text
    assert 'retake_review_target{metric="first_time_approval_rate"} 0.8' in text
    await eventually(lambda: REGISTRY.get_sample_value("retake_review_decisions") is not None)
    assert not [line for line in text.splitlines() if line.startswith("retake_review_") and "project" in line]


async def test_a_film_that_was_handed_over_and_compiled_again(g: Gateway) -> None:
    """Playing a film is no hand-over; its download is, and the export of its timeline."""
    made = await g.client().post("/projects", json={"name": "P"})
    studio = ProjectHarness(g, made.json()["id"])
    one, two = await studio.episode(1), await studio.episode(1)
    for episode in (one, two):
        await studio.api.post(f"/episodes/{episode['id']}/batches", json={"auto_approve": True})
    await g.world.settle()
    g.world.clock.move(100)
    for episode in (one, two):
        await studio.film(episode, None)

    async def films(episode: dict[str, Any]) -> list[dict[str, Any]]:
        return list((await studio.api.get(f"/episodes/{episode['id']}/compilation-jobs")).json()["data"])

    async def rate() -> tuple[int, float | None]:
        found = await studio.metrics(f"/projects/{studio.project_id}")
        return found["films_handed_over"], found["recompilation_rate"]

    async def take(film: dict[str, Any], rendition: str, **query: str) -> None:
        await studio.api.get(f"/media/films/{film['id']}/{rendition}", params=query)

    [first], [other] = await films(one), await films(two)
    await take(first, "content", download="1")
    assert await rate() == (0, None), "the file is not there: nothing is handed over"
    stored = await g.world.row("select object from compilations where compilation_id = $1", first["id"])
    await _store(g, stored["object"])
    await take(first, "content")
    await studio.api.head(f"/media/films/{first['id']}/content", params={"download": "1"})
    assert await rate() == (0, None)
    await take(first, "content", download="1")
    handed_over_at = (await films(one))[0]["handed_over_at"]
    assert handed_over_at
    assert await rate() == (1, 0.0)
    await take(first, "content", download="1")
    assert (await films(one))[0]["handed_over_at"] == handed_over_at
    await studio.film(one, None)
    assert await rate() == (1, 1.0)
    await g.world.pool.execute("update compilations set handed_over_at = now() where compilation_id = $1", other["id"])
    assert await rate() == (2, 0.5)


async def _store(g: Gateway, stored: dict[str, Any]) -> None:
    """Any bytes of that size, as the compiler would have stored them."""
    objects = g.app.state.gateway.objects.of(stored["bucket"])
    path = objects.local_path(stored["key"])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * stored["size"])


async def test_the_ratings_of_each_week(g: Gateway) -> None:
    made = await g.client().post("/projects", json={"name": "P"})
    studio = ProjectHarness(g, made.json()["id"])
    episode = await studio.episode(1)
    await studio.images(episode)
    await studio.video(episode["segments"][0], ("reject", 1), ("reject", 2), ("approve", 5))
    at = "update reviews set decided_at = $1::timestamptz where rating = $2 and kind = 'video'"
    for rating, day in ((1, "2026-01-05T00:00:00Z"), (2, "2026-01-11T23:59:59Z"), (5, "2026-01-12T00:00:00Z")):
        await g.world.pool.execute(at, datetime.fromisoformat(day), rating)
    found = await studio.metrics(f"/projects/{studio.project_id}")
    assert [(w["week"], w["mean_rating"], w["ratings"]) for w in found["ratings_by_week"]] == [
        ("2026-01-05", 1.5, 2),
        ("2026-01-12", 5.0, 1),
    ]
    assert {w["mean_film_rating"] for w in found["ratings_by_week"]} == {None}
