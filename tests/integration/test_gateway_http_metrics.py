"""Review metrics of histories whose figures are known."""

from __future__ import annotations

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


async def test_prometheus_gets_a_few_numbers_whatever_the_number_of_projects(g: Gateway) -> None:
    text = (await g.client(None).get("http://localhost/metrics")).text
    assert 'retake_review_target{metric="first_time_approval_rate"} 0.8' in text
    await eventually(lambda: REGISTRY.get_sample_value("retake_review_decisions") is not None)
    assert not [line for line in text.splitlines() if line.startswith("retake_review_") and "project" in line]
