"""The peaks of a version's sound: a byte for each hundredth of a second, made once in a confined process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

from services.gateway.api import peaks, peaks_worker
from shared.contracts.topics import Service
from shared.core.errors import Permanent
from shared.objects import open_objects
from tests.conftest import FreshDatabase
from tests.integration.test_gateway_http_access import SEGMENTS
from tests.support import films
from tests.support.gateway_http import Gateway, gateway


def measured(path: Path) -> np.ndarray[Any, np.dtype[np.uint8]]:
    out = path.with_suffix(".peaks")
    assert peaks_worker.work({"path": str(path), "out": str(out)}) == {"peaks": out.stat().st_size}
    return np.frombuffer(out.read_bytes(), np.uint8)


def half_loud(path: Path, *options: str) -> Path:
    """A second at half of full scale, one of silence, and a second on the right channel alone at a quarter."""
    first, last = "0.5*sin(2*PI*441*t)*lt(t\\,1)", "0.25*sin(2*PI*441*t)*gte(t\\,2)"
    sound = f"aevalsrc={first}|{first}+{last}:s=48000:d=3"
    films.ffmpeg("-f", "lavfi", "-i", sound, *options, path)
    return path


@pytest.mark.parametrize(("name", "tolerance"), [("a.wav", 2), ("a.flac", 2), ("a.m4a", 14)])
def test_they_are_the_greatest_sample_of_the_loudest_channel(tmp_path: Path, name: str, tolerance: int) -> None:
    found = measured(half_loud(tmp_path / name)).astype(int)
    assert len(found) == pytest.approx(300, abs=5)
    for seconds, level in (((10, 90), 128), ((110, 190), 0), ((210, 290), 64)):
        assert np.abs(found[slice(*seconds)] - level).max() <= tolerance


def test_the_sound_of_a_video_counts_too_and_a_torn_one_ends_where_it_is_torn(tmp_path: Path) -> None:
    video = films.video(tmp_path / "a.mp4", seconds=1, tone=440)
    assert len(measured(video)) == pytest.approx(100, abs=5)
    whole = half_loud(tmp_path / "b.wav").read_bytes()
    (tmp_path / "c.wav").write_bytes(whole[: len(whole) // 2])
    assert len(measured(tmp_path / "c.wav")) == pytest.approx(150, abs=3)
    (tmp_path / "d.wav").write_bytes(b"no sound at all")
    with pytest.raises(Permanent):
        measured(tmp_path / "d.wav")


@pytest_asyncio.fixture
async def g(fresh_database: FreshDatabase, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with gateway(await fresh_database("gateway"), tmp_path) as made:
        yield made


async def test_a_page_gets_them_by_the_link_of_the_version(
    g: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = g.client()
    project = (await api.post("/projects", json={"name": "P"})).json()["id"]
    made = (await api.post(f"/projects/{project}/episodes", json={"title": "E", "segments": SEGMENTS[:1]})).json()
    run = (await api.post(f"/assets/{made['segments'][0]['assets']['starting_image']}/runs", json={})).json()
    await g.world.settle()
    version_id = (await api.get(f"/runs/{run['id']}")).json()["versions"][0]["id"]
    await g.world.pool.execute("update versions set media = '{}'::jsonb")
    assert (await api.get(f"/versions/{version_id}")).json()["peaks_url"] is None
    assert (await api.get(f"/media/versions/{version_id}/peaks")).status_code == 404, "it has no sound"
    sound = half_loud(tmp_path / "a.wav").read_bytes()
    async with open_objects(g.settings.objects_url, Service.GENERATOR) as objects:
        ref = (await objects.own.put_bytes("versions/a.wav", sound, "audio/wav")).model_dump(mode="json")
    media = {"audio_codec": "pcm_s16le", "duration_s": 3.0}
    await g.world.pool.execute("update versions set media = $1, object = $2, proxy = null", media, ref)
    real, jobs = peaks.run_job, []

    async def counted(*args: Any, **more: Any) -> Any:
        jobs.append(args)
        return await real(*args, **more)

    monkeypatch.setattr(peaks, "run_job", counted)
    url = (await api.get(f"/versions/{version_id}")).json()["peaks_url"]
    nobody = g.client(None)
    found = await nobody.get(url)
    assert (found.status_code, len(found.content)) == (200, 300)
    assert found.headers["content-type"] == "application/octet-stream"
    assert max(found.content[:90]) in range(126, 131)
    assert (await nobody.get(url, headers={"If-None-Match": found.headers["etag"]})).status_code == 304
    assert (await nobody.get(url)).content == found.content
    assert len(jobs) == 1, "it is kept"
    assert (await nobody.get(url.replace("/peaks?", "/content?"))).status_code == 401, "a link opens one file"
    monkeypatch.setattr(peaks, "_WORKER", "services.gateway.api.poster_worker")  # it cannot stand the file
    await g.world.pool.execute("update versions set object = $1", ref | {"sha256": "0" * 64})
    assert (await nobody.get(url)).status_code == 410
