"""Review metrics of histories whose figures are known."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from prometheus_client import REGISTRY

from services.gateway.api.schemas.projects import Metrics
from services.gateway.queries.metrics import TARGETS
from tests.conftest import FreshDatabase
from tests.support.gateway_http import Gateway, gateway
from tests.support.gateway_shapes import same_shape
from tests.support.waiting import eventually


@pytest_asyncio.fixture
async def g(fresh_database: FreshDatabase, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with gateway(await fresh_database("gateway"), tmp_path) as made:
        yield made


class Studio:
    """One project, and what people do in it."""

    def __init__(self, g: Gateway, project_id: str) -> None:
        self.g, self.api, self.project_id = g, g.client(), project_id

    async def episode(self, segments: int) -> dict[str, Any]:
        rows = [{"scene_info": {"description": f"Scene {n}"}} for n in range(segments)]
        made = await self.api.post(f"/projects/{self.project_id}/episodes", json={"title": "E", "segments": rows})
        return dict(made.json())

    async def images(self, episode: dict[str, Any]) -> None:
        """Starting images, approved by a policy: nothing of that counts."""
        for segment in episode["segments"]:
            run = await self._run(segment["assets"]["starting_image"])
            await self.decide(run, "approve", 1)  # a person, but on an image

    async def _run(self, asset_id: str, **body: Any) -> str:
        made = await self.api.post(f"/assets/{asset_id}/runs", json=body)
        assert made.status_code == 202, made.text
        await self.g.world.settle()
        return str(made.json()["id"])

    async def video(self, segment: dict[str, Any], *decisions: tuple[str, int | None], variants: int = 1) -> None:
        for action, rating in decisions:
            run = await self._run(segment["assets"]["video"], variants=variants)
            await self.decide(run, action, rating)

    async def decide(self, run_id: str, action: str, rating: int | None) -> None:
        versions = (await self.api.get(f"/runs/{run_id}")).json()["versions"]
        told = await self.api.post(
            f"/runs/{run_id}/review",
            headers={"Prefer": "respond-async"},
            json={"action": action, "rating": rating, "version_id": versions[0]["id"], "regenerate": False},
        )
        assert told.status_code == 202, told.text
        await self.g.world.settle()

    async def film(self, episode: dict[str, Any], rating: int | None) -> None:
        asked = await self.api.post(f"/episodes/{episode['id']}/compile", json={}, headers={"Prefer": "respond-async"})
        job = asked.json()["compilation_job_id"]
        await self.g.world.settle()
        if rating:
            told = await self.api.put(f"/compilation-jobs/{job}/rating", json={"rating": rating})
            assert told.status_code == 200, told.text

    async def metrics(self, path: str) -> dict[str, Any]:
        found = (await self.api.get(f"{path}/metrics")).json()
        same_shape(Metrics, found)
        assert found["targets"] == TARGETS
        return dict(found)


async def test_the_figures_are_those_of_the_history(g: Gateway) -> None:
    made = await g.client().post("/projects", json={"name": "P"})
    studio = Studio(g, made.json()["id"])
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
