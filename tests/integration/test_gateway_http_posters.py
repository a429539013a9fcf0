"""Posters in the sizes of cards: made once, in a confined process, and kept."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from PIL import Image

from services.gateway.api.derived_files import DerivedFiles
from services.gateway.api.poster_sizes import PosterSizes
from shared.contracts.topics import Service
from shared.core.errors import Permanent
from shared.objects import open_objects
from tests.conftest import FreshDatabase
from tests.integration.test_gateway_http_access import SEGMENTS
from tests.support.gateway_http import Gateway, gateway


def picture(width: int = 640, height: int = 360) -> bytes:
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize((width, height)).convert("RGB").save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


@pytest_asyncio.fixture
async def g(fresh_database: FreshDatabase, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with gateway(await fresh_database("gateway"), tmp_path) as made:
        yield made


async def poster_url(g: Gateway, content: bytes) -> str:
    """Of a preview with this poster."""
    api = g.client()
    project = (await api.post("/projects", json={"name": "P"})).json()["id"]
    body = {"title": "E", "segments": SEGMENTS[:1]}
    made = (await api.post(f"/projects/{project}/episodes", json=body)).json()
    await api.post(f"/assets/{made['segments'][0]['assets']['starting_image']}/runs", json={})
    await g.world.settle()
    async with open_objects(g.settings.objects_url, Service.GENERATOR) as objects:
        ref = await objects.own.put_bytes("versions/poster.jpg", content, "image/jpeg")
    await g.world.pool.execute("update versions set poster = $1", ref.model_dump(mode="json"))
    [run] = (await api.get("/runs?status=preview_ready")).json()["data"]
    return str(run["versions"][0]["thumbnail_url"])


async def get(g: Gateway, url: str, **headers: str) -> httpx.Response:
    return await g.client(None).get(url, headers=headers)


def size_of(answer: httpx.Response) -> tuple[str | None, int, int]:
    assert answer.status_code == 200, answer.text
    with Image.open(io.BytesIO(answer.content)) as image:
        return image.format, *image.size


async def test_a_poster_is_as_wide_as_asked_and_webp_where_that_is_taken(g: Gateway) -> None:
    content = picture()
    url = await poster_url(g, content)
    assert (await get(g, url)).content == content
    small = await get(g, f"{url}&w=160")
    assert (size_of(small), small.headers["content-type"]) == (("JPEG", 160, 90), "image/jpeg")
    webp = await get(g, f"{url}&w=320", Accept="image/avif,image/webp,*/*")
    assert (size_of(webp), webp.headers["content-type"]) == (("WEBP", 320, 180), "image/webp")
    assert len(small.content) < len(content) / 4
    for answer in (small, webp):
        assert answer.headers["vary"] == "Accept"
        assert "private" in answer.headers["cache-control"]
        assert "sandbox" in answer.headers["content-security-policy"]
    etags = {(await get(g, u)).headers["etag"] for u in (url, f"{url}&w=160", f"{url}&w=320")}
    assert len(etags | {webp.headers["etag"]}) == 4
    known = await get(g, f"{url}&w=160", **{"If-None-Match": small.headers["etag"]})
    assert (known.status_code, known.content) == (304, b"")


async def test_a_narrow_poster_stays_as_it_is(g: Gateway) -> None:
    assert size_of(await get(g, f"{await poster_url(g, picture(120, 200))}&w=640")) == ("JPEG", 120, 200)


@pytest.mark.parametrize("wrong", ["w=100", "w=x", "w=-160", "w="])
async def test_other_sizes_are_refused(g: Gateway, wrong: str) -> None:
    refused = await get(g, f"{await poster_url(g, picture())}&{wrong}")
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "query:w")


async def test_only_posters_have_sizes(g: Gateway) -> None:
    url = (await poster_url(g, picture())).replace("/poster?", "/content?")
    refused = await g.client().get(f"{url}&w=160")
    assert (refused.status_code, "only posters" in refused.json()["detail"]) == (422, True)


async def test_a_poster_that_cannot_be_sized_is_shown_as_it_is(g: Gateway) -> None:
    content = b"\xff\xd8 no picture"
    assert (await get(g, f"{await poster_url(g, content)}&w=160")).content == content


async def test_it_is_made_once_and_the_oldest_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []

    async def make(_module: str, job: dict[str, Any], **_more: Any) -> dict[str, Any]:
        made.append(job["width"])
        await asyncio.sleep(0)
        Path(job["out"]).write_bytes(b"x" * 400)
        return {}

    monkeypatch.setattr("services.gateway.api.poster_sizes.run_job", make)
    derived = DerivedFiles(str(tmp_path), most_bytes=1000)
    posters = PosterSizes(derived)
    async with open_objects(f"file://{tmp_path}/objects", Service.GENERATOR) as objects:
        ref = await objects.own.put_bytes("versions/poster.jpg", picture(), "image/jpeg")

        async def ask(width: Any) -> Path:
            found = await posters.sized(ref, objects.own, width, webp=False)
            assert found is not None
            return found.path

        assert len({await asked for asked in asyncio.as_completed([ask(160) for _ in range(5)])}) == 1
        assert made == [160]
        await ask(320)
        await ask(160)  # used again, so 320 is the oldest now
        await ask(640)
        assert made == [160, 320, 640]
        await ask(160)
        await ask(320)
        assert made == [160, 320, 640, 320]
        assert len(list((await ask(160)).parent.iterdir())) == 2

        async def fails(*_: Any, **__: Any) -> None:
            raise Permanent("image_unreadable", "It is no picture.")

        monkeypatch.setattr("services.gateway.api.poster_sizes.run_job", fails)
        assert await posters.sized(ref, objects.own, 640, webp=True) is None
        folder = (await ask(160)).parent
        derived.close()
        assert not folder.exists()
