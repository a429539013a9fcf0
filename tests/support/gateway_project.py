"""A project in the gateway, used over HTTP as its members would."""

from __future__ import annotations

from typing import Any

from services.gateway.api.schemas.projects import Metrics
from services.gateway.queries.metrics import TARGETS
from tests.support.gateway_http import Gateway
from tests.support.gateway_shapes import same_shape


class ProjectHarness:
    """A project, and the actions of its members over HTTP."""

    def __init__(self, g: Gateway, project_id: str) -> None:
        self.g, self.api, self.project_id = g, g.client(), project_id

    async def episode(self, segments: int) -> dict[str, Any]:
        rows = [{"scene_info": {"description": f"Scene {n}"}} for n in range(segments)]
        response = await self.api.post(f"/projects/{self.project_id}/episodes", json={"title": "E", "segments": rows})
        return dict(response.json())

    async def images(self, episode: dict[str, Any]) -> None:
        """Generate and approve the starting images; decisions about images do not count in the metrics."""
        for segment in episode["segments"]:
            run = await self._run(segment["assets"]["starting_image"])
            await self.decide(run, "approve", 1)  # a person's decision, but about an image

    async def _run(self, asset_id: str, **body: Any) -> str:
        response = await self.api.post(f"/assets/{asset_id}/runs", json=body)
        assert response.status_code == 202, response.text
        await self.g.world.settle()
        return str(response.json()["id"])

    async def video(self, segment: dict[str, Any], *decisions: tuple[str, int | None], variants: int = 1) -> None:
        for action, rating in decisions:
            run = await self._run(segment["assets"]["video"], variants=variants)
            await self.decide(run, action, rating)

    async def decide(self, run_id: str, action: str, rating: int | None) -> None:
        versions = (await self.api.get(f"/runs/{run_id}")).json()["versions"]
        response = await self.api.post(
            f"/runs/{run_id}/review",
            headers={"Prefer": "respond-async"},
            json={"action": action, "rating": rating, "version_id": versions[0]["id"], "regenerate": False},
        )
        assert response.status_code == 202, response.text
        await self.g.world.settle()

    async def film(self, episode: dict[str, Any], rating: int | None) -> None:
        response = await self.api.post(
            f"/episodes/{episode['id']}/compile", json={}, headers={"Prefer": "respond-async"}
        )
        job = response.json()["compilation_job_id"]
        await self.g.world.settle()
        if rating:
            response = await self.api.put(f"/compilation-jobs/{job}/rating", json={"rating": rating})
            assert response.status_code == 200, response.text

    async def metrics(self, path: str) -> dict[str, Any]:
        found = (await self.api.get(f"{path}/metrics")).json()
        same_shape(Metrics, found)
        assert found["targets"] == TARGETS
        return dict(found)
