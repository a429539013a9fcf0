"""Size and rate of films by the API: exact rates, and imports that follow their source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.support import films
from tests.support.gateway_http import Gateway
from tests.support.gateway_project import ProjectHarness


@pytest_asyncio.fixture
async def project(g: Gateway) -> str:
    return str((await g.client().post("/projects", json={"name": "P"})).json()["id"])


async def test_a_portrait_film_becomes_an_episode_of_its_own_shape_size_and_rate(
    g: Gateway, project: str, tmp_path: Path
) -> None:
    api = g.client()
    film = films.video(tmp_path / "phone.mp4", seconds=1, size="180x320", fps="30000/1001").read_bytes()
    upload = (await api.post(f"/projects/{project}/uploads", content=film, params={"filename": "phone.mp4"})).json()
    assert (upload["width"], upload["height"], upload["fps"]) == (180, 320, pytest.approx(29.97, abs=0.001))

    async def imported(**more: Any) -> dict[str, Any]:
        body = {"upload_id": upload["id"], **more}
        started = (await api.post(f"/projects/{project}/imports", json=body)).json()
        return dict((await api.get(f"/episodes/{started['episode_id']}")).json()["output"])

    own = {"width": 180, "height": 320, "fps": 29.97, "frame_rate": "30000/1001", "fit": "blur"}
    assert await imported() == own
    asked = {"fps": 25, "fit": "crop"}
    assert await imported(output=asked) == own | {"fps": 25, "frame_rate": "25", "fit": "crop"}
    wrong = await api.post(
        f"/projects/{project}/imports", json={"upload_id": upload["id"], "output": {"frame_rate": "24/7"}}
    )
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "/output/frame_rate")


async def test_an_exact_rate_goes_from_the_document_to_the_compile_request(g: Gateway, project: str) -> None:
    studio = ProjectHarness(g, project)
    api = studio.api
    episode = await studio.episode(2)
    changed = await api.patch(f"/episodes/{episode['id']}", json={"output": {"fps": 23.976}}, headers={"If-Match": "*"})
    assert (changed.status_code, changed.json()["output"]["frame_rate"]) == (200, "24000/1001"), changed.text
    for segment in episode["segments"]:
        scene = {"scene_info": {"scene_number": 4, "location": "Harbour"}}
        assert (await api.patch(f"/segments/{segment['id']}", json=scene, headers={"If-Match": "*"})).status_code == 200
    await studio.images(episode)
    for segment in episode["segments"]:
        await studio.video(segment, ("approve", None))
    await studio.film(episode, None)
    request = g.world.services.films[-1]
    assert (request.output.fps, str(request.output.rate)) == (24, "24000/1001")
    assert [item.scene for item in request.items] == ["Scene 4: Harbour"] * 2
    assert str(g.world.services.timelines[episode["id"]].output.rate) == "24000/1001"
    document = {"title": "T", "output": {"frame_rate": "60000/1001"}, "segments": []}
    made = (await api.post(f"/projects/{project}/imports", json={"document": document})).json()
    read = (await api.get(f"/episodes/{made['episode_id']}")).json()["output"]
    assert (read["fps"], read["frame_rate"]) == (59.94, "60000/1001")
    settings = await api.patch(
        f"/projects/{project}/settings", json={"output": {"fps": 29.97}}, headers={"If-Match": "*"}
    )
    assert settings.json()["output"]["frame_rate"] == "30000/1001", settings.text
