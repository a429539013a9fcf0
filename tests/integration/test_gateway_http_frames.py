"""A version tells its frames and their rate exactly, as they were measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import FreshDatabase
from tests.integration.test_gateway_http_access import SEGMENTS
from tests.support.gateway_http import gateway

NTSC = {"frames": 240, "fps": 23.976, "frame_rate": "24000/1001", "variable_rate": False}


@pytest.mark.parametrize(
    ("media", "expected"),
    [
        (NTSC, (240, 24000, 1001, False)),
        (NTSC | {"frame_rate": "25", "variable_rate": True}, (240, 25, 1, True)),
        ({"frames": 48, "fps": 24.0}, (48, None, None, None)),  # measured before exact rates were kept
        ({}, (None, None, None, None)),  # a picture
    ],
)
async def test_frames_and_rate(
    fresh_database: FreshDatabase, tmp_path: Path, media: dict[str, Any], expected: tuple[object, ...]
) -> None:
    async with gateway(await fresh_database("gateway"), tmp_path) as g:
        api = g.client()
        project = (await api.post("/projects", json={"name": "P"})).json()["id"]
        body = {"title": "E", "segments": SEGMENTS[:1]}
        made = (await api.post(f"/projects/{project}/episodes", json=body)).json()
        await api.post(f"/assets/{made['segments'][0]['assets']['starting_image']}/runs", json={})
        await g.world.settle()
        [run] = (await api.get("/runs?status=preview_ready")).json()["data"]
        await g.world.pool.execute("update versions set media = $1", media)
        found = (await api.get(f"/versions/{run['versions'][0]['id']}")).json()
        assert (found["frames"], found["fps_num"], found["fps_den"], found["variable_rate"]) == expected
