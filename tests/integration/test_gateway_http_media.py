"""Uploads and media: what is taken, how it is served."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import av
import httpx
import numpy as np
import pytest
import pytest_asyncio
from PIL import Image

from services.gateway.api.schemas.uploads import Upload
from services.gateway.commands.stream_events import preview_of
from services.gateway.domain import uploads as limits
from shared.contracts.events.compiler import FilmState
from tests.support import events
from tests.support.gateway_http import Gateway
from tests.support.gateway_project import ProjectHarness
from tests.support.gateway_shapes import same_shape
from tests.support.heic import heic
from tests.support.http_client import photograph


@pytest_asyncio.fixture
async def project(g: Gateway) -> str:
    return str((await g.client().post("/projects", json={"name": "P"})).json()["id"])


def clip(*, sound: bool = False, seconds: float = 1) -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as out:
        video = out.add_stream("libx264", rate=10, width=64, height=36, pix_fmt="yuv420p")
        for n in range(round(10 * seconds)):
            frame = av.VideoFrame.from_ndarray(np.full((36, 64, 3), n * 5 % 255, np.uint8), format="rgb24")
            out.mux(video.encode(frame))
        out.mux(video.encode())
    return buffer.getvalue()


def sound() -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="wav") as out:
        stream = out.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4000), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return buffer.getvalue()


def stored(g: Gateway) -> list[Path]:
    root = Path(g.settings.objects_url.removeprefix("file://"))
    return [p for p in root.rglob("*") if p.is_file() and "uploads" in p.parts]


async def test_uploads_are_known_by_what_they_are(g: Gateway, project: str) -> None:
    api, path = g.client(), f"/projects/{project}/uploads"
    turned = Image.new("RGB", (60, 40), "red")
    exif = turned.getexif()
    exif[0x0112] = 6
    portrait = io.BytesIO()
    turned.save(portrait, "JPEG", exif=exif)
    for content, kind, content_type, size, seconds in (
        (photograph(hue=5), "image", "image/jpeg", None, None),
        (portrait.getvalue(), "image", "image/jpeg", (40, 60), None),
        (heic(Image.new("RGB", (96, 64), "red")), "image", "image/heic", (96, 64), None),
        (clip(), "video", "video/mp4", (64, 36), 1.0),
        (sound(), "audio", "audio/wav", (None, None), 0.5),
    ):
        response = await api.post(
            f"{path}?filename=..%2F..%2Fa%20b.xyz", content=content, headers={"Content-Type": "application/x-anything"}
        )
        assert response.status_code == 201, response.text
        found = response.json()
        same_shape(Upload, found)
        assert (found["kind"], found["content_type"], found["filename"]) == (kind, content_type, "a b.xyz")
        assert found["size"] == len(content)
        if size:
            assert (found["width"], found["height"]) == size
        assert found["duration"] == (pytest.approx(seconds, abs=0.06) if seconds else None)
        assert (await g.client(None).get(found["url"])).content == content
    named = await api.post(
        path, content=photograph(hue=1), headers={"Content-Disposition": "attachment; filename*=UTF-8''h%C3%A4fen.jpg"}
    )
    assert named.json()["filename"] == "häfen.jpg"


async def test_what_is_not_taken_leaves_nothing_behind(g: Gateway, project: str) -> None:
    api, path = g.client(), f"/projects/{project}/uploads"
    bomb = io.BytesIO()
    Image.new("1", (16_000, 14_000)).save(bomb, "PNG")
    broken = photograph(hue=5)[:2000]
    svg = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    for content, status, slug, word in (
        (svg, 415, "unsupported-media-type", "SVG"),
        (b"plain text, nothing else" * 9, 415, "unsupported-media-type", "image"),
        (b"%PDF-1.7 ...", 415, "unsupported-media-type", "PDF"),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", 415, "unsupported-media-type", "playlist"),
        (b"", 422, "invalid", "empty"),
        (broken, 422, "invalid", "cannot be read"),
        (bomb.getvalue(), 413, "too-large", "megapixels"),
        (b"\x00\x00\x00\x20ftypisom" + b"\x00" * 500, 422, "invalid", "media"),
        (b"RIFF\x00\x00\x00\x00WAVEjunk" + b"\x00" * 500, 422, "invalid", ""),
    ):
        response = await api.post(path, content=content)
        assert (response.status_code, response.json()["type"]) == (status, f"/problems/{slug}"), response.text
        assert word in response.json()["detail"]
        assert "Errno" not in response.text
        assert "uploads/" not in response.json()["detail"], "where we keep it is nobody's business"
    assert stored(g) == []


async def test_an_upload_that_is_too_large_is_stopped_on_the_way(
    g: Gateway, project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(limits.MAX_BYTES, "image", 10_000)
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        yield photograph(hue=5)[:1000]
        for _ in range(100):
            sent += 1000
            yield b"x" * 1000

    response = await g.client().post(f"/projects/{project}/uploads", content=endless())
    assert (response.status_code, response.json()["type"], response.json()["limit"]) == (
        413,
        "/problems/too-large",
        10_000,
    )
    assert sent < 100_000
    assert stored(g) == []


async def test_a_repeated_upload_is_stored_once(g: Gateway, project: str) -> None:
    api, key = g.client(), {"Idempotency-Key": "u1"}
    first = await api.post(f"/projects/{project}/uploads", content=photograph(hue=5), headers=key)
    again = await api.post(f"/projects/{project}/uploads", content=photograph(hue=5), headers=key)
    assert (again.status_code, again.text, again.headers["idempotency-replayed"]) == (201, first.text, "true")
    other = await api.post(f"/projects/{project}/uploads", content=photograph(hue=6), headers=key)
    assert other.json()["type"] == "/problems/idempotency-mismatch"
    assert len(stored(g)) == 1


@pytest_asyncio.fixture
async def url(g: Gateway, project: str) -> str:
    made = await g.client().post(f"/projects/{project}/uploads", content=DATA, params={"filename": "Frühling.jpg"})
    return str(made.json()["url"])


DATA = photograph(hue=5)


async def get(g: Gateway, url: str, method: str = "GET", **headers: str) -> httpx.Response:
    return await g.client(None).request(method, url, headers=headers)


async def test_media_with_ranges_and_conditions(g: Gateway, url: str) -> None:
    whole = await get(g, url)
    assert (whole.status_code, whole.content) == (200, DATA)
    assert whole.headers["content-type"] == "image/jpeg"
    assert whole.headers["accept-ranges"] == "bytes"
    assert whole.headers["content-disposition"].startswith("inline")
    assert "immutable" in whole.headers["cache-control"]
    assert "sandbox" in whole.headers["content-security-policy"]
    assert whole.headers["x-content-type-options"] == "nosniff"
    etag, size = whole.headers["etag"], len(DATA)
    for asked, first, last in (
        ("bytes=0-99", 0, 99),
        ("bytes=100-", 100, size - 1),
        ("bytes=-10", size - 10, size - 1),
    ):
        part = await get(g, url, Range=asked)
        assert (part.status_code, part.content) == (206, DATA[first : last + 1])
        assert part.headers["content-range"] == f"bytes {first}-{last}/{size}"
        assert part.headers["content-length"] == str(last - first + 1)
    beyond = await get(g, url, Range=f"bytes={size}-")
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{size}")
    assert beyond.json()["type"] == "/problems/range-not-satisfiable"
    fresh = await get(g, url, **{"If-None-Match": etag})
    assert (fresh.status_code, fresh.content, fresh.headers["etag"]) == (304, b"", etag)
    assert (await get(g, url, **{"If-Range": etag, "Range": "bytes=0-9"})).status_code == 206
    assert (await get(g, url, **{"If-Range": '"other"', "Range": "bytes=0-9"})).status_code == 200
    head = await get(g, url, "HEAD")
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(size))
    offered = await get(g, url + "&download=1")
    assert offered.headers["content-disposition"] == (
        "attachment; filename=\"Fr_hling.jpg\"; filename*=UTF-8''Fr%C3%BChling.jpg"
    )


async def test_a_link_opens_one_object_until_it_expires(g: Gateway, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    query = parse_qs(urlsplit(url).query)
    assert set(query) == {"v", "exp", "sig"}
    bare = url.partition("?")[0]
    for wrong in (
        bare,
        f"{bare}?exp={query['exp'][0]}",
        url.replace("sig=", "sig=x"),
        url.replace(f"exp={query['exp'][0]}", f"exp={int(query['exp'][0]) + 3600}"),
        url.replace("/content", "/poster"),
    ):
        response = await get(g, wrong)
        assert (response.status_code, response.json()["type"]) == (401, "/problems/unauthenticated"), wrong
    assert (await get(g, bare, Authorization=f"Bearer {g.token('ana')}")).status_code == 200
    assert (await get(g, bare, Authorization=f"Bearer {g.token('bob')}")).status_code == 404
    assert (
        await get(g, bare.replace("/content", "/poster"), Authorization=f"Bearer {g.token('ana')}")
    ).status_code == 404
    assert (
        await get(g, bare.replace("/content", "/other"), Authorization=f"Bearer {g.token('ana')}")
    ).status_code == 404
    monkeypatch.setattr(type(g.app.state.gateway.signer), "is_over", lambda self, expires: True)
    late = await get(g, url)
    assert (late.status_code, late.json()["type"]) == (410, "/problems/link-expired")


async def test_bytes_that_are_gone_are_a_problem_and_no_broken_answer(g: Gateway, url: str) -> None:
    for path in stored(g):
        path.unlink()
    response = await get(g, url)
    assert (response.status_code, response.json()["type"]) == (410, "/problems/gone")


async def test_urls_are_made_for_whoever_asks(g: Gateway, project: str, url: str) -> None:
    assert url.startswith("http://localhost/api/v1/media/uploads/")
    elsewhere = await g.client().post(f"/projects/{project}/uploads", content=DATA, headers={"Host": "127.0.0.1:8123"})
    assert elsewhere.json()["url"].startswith("http://127.0.0.1:8123/api/v1/media/")


class Bucket:
    """An object store that signs URLs of its own, as S3 does."""

    def local_path(self, key: str) -> None:
        return None

    async def presign(
        self, key: str, *, ttl_s: int, filename: str | None = None, content_type: str | None = None
    ) -> str:
        return f"https://s3.example/{key}?ttl={ttl_s}&name={filename}"


async def test_an_s3_store_serves_its_bytes_itself(g: Gateway, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(g.app.state.gateway.objects), "of", lambda self, bucket: Bucket())
    response = await get(g, url)
    assert response.status_code == 307
    assert response.headers["location"].startswith("https://s3.example/uploads/")
    assert response.headers["cache-control"] == "no-store"
    offered: Any = await get(g, url + "&download")
    assert "name=Fr" in offered.headers["location"]


async def test_an_episodes_last_three_films_play_and_older_ones_are_gone(g: Gateway, project: str) -> None:
    studio = ProjectHarness(g, project)
    episode = await studio.episode(1)
    await studio.images(episode)
    await studio.video(episode["segments"][0], ("approve", None))
    played = []
    for _ in range(4):
        await studio.film(episode, None)
        g.world.clock.move(1)
        (newest, *_) = (await studio.api.get(f"/episodes/{episode['id']}/compilation-jobs")).json()["data"]
        assert not newest["gone"]
        played.append(newest["output_video_url"].partition("/media")[2])
    listed = (await studio.api.get(f"/episodes/{episode['id']}/compilation-jobs")).json()["data"]
    assert [film["gone"] for film in listed] == [False, False, False, True]
    assert (listed[-1]["status"], listed[-1]["output_video_url"]) == ("completed", None)
    # The objects are the compiler's, which this test has not: a HEAD does not read them.
    assert [(await studio.api.head(f"/media{url}")).status_code for url in played] == [410, 200, 200, 200]


async def test_a_film_plays_before_it_is_signed_and_a_download_waits_for_that(g: Gateway, project: str) -> None:
    studio = ProjectHarness(g, project)
    episode = await studio.episode(1)
    await studio.images(episode)
    await studio.video(episode["segments"][0], ("approve", None))
    await studio.film(episode, None)
    (film,) = (await studio.api.get(f"/episodes/{episode['id']}/compilation-jobs")).json()["data"]
    url = f"/media{film['output_video_url'].partition('/media')[2]}"
    await g.world.pool.execute("update compilations set provenance = 'pending'")
    assert (await studio.api.head(url)).status_code == 200
    download = asyncio.create_task(studio.api.head(f"{url}&download=1"))
    await asyncio.sleep(0.6)
    assert not download.done(), "what people keep should say where it is from"
    await g.world.pool.execute("update compilations set provenance = 'unsigned'")  # nor is a signature waited for ever
    kept = await asyncio.wait_for(download, 60)
    assert kept.status_code == 200
    assert kept.headers["content-disposition"].startswith("attachment")


async def test_a_film_has_one_url_before_it_is_signed_and_another_one_afterwards(g: Gateway, project: str) -> None:
    studio = ProjectHarness(g, project)
    episode = await studio.episode(1)
    await studio.images(episode)
    await studio.video(episode["segments"][0], ("approve", None))
    await studio.film(episode, None)
    listing = f"/episodes/{episode['id']}/compilation-jobs"

    async def film() -> dict[str, Any]:
        (found,) = (await studio.api.get(listing)).json()["data"]
        return dict(found)

    async def of(url: str, **headers: str) -> httpx.Response:
        return await studio.api.head(f"/media{url.partition('/media')[2]}", headers=headers)

    first = await film()
    poster = first["poster_url"]
    before = await of(first["output_video_url"])
    stored = await g.world.pool.fetchrow("select compilation_id, rev, object, media from compilations")
    signed = events.object_ref(key="films/signed.mp4", sha256="5" * 64, size=stored["object"]["size"] + 9000)
    event = events.film_updated(
        episode_id=episode["id"], compilation_id=stored["compilation_id"], rev=stored["rev"] + 1,
        state=FilmState.COMPLETED, progress=100, object=signed, unsigned=stored["object"], media=stored["media"],
        provenance="signed", completed_at=first["completed_at"],
    )  # fmt: skip
    await g.world.deliver(events.message(event))
    second = await film()
    assert second["output_video_url"] != first["output_video_url"]
    assert second["output_file_size"] == signed.size
    assert second["poster_url"] == poster, "the poster is the same file"
    after, still = await of(second["output_video_url"]), await of(first["output_video_url"])
    assert (still.headers["etag"], still.headers["content-length"]) == (
        before.headers["etag"],
        before.headers["content-length"],
    ), "a player that began with the unsigned file goes on with it"
    assert (after.headers["etag"], after.headers["content-length"]) == (f'"{"5" * 32}"', str(signed.size))
    assert all("immutable" in r.headers["cache-control"] for r in (before, still, after))
    for unnamed in (
        first["output_video_url"].partition("?")[0],
        first["output_video_url"].replace("?v=2", "?v=1"),
        first["output_video_url"] + "&download=1",
    ):
        newest = await of(unnamed, Authorization=f"Bearer {g.token('ana')}")
        assert newest.headers["etag"] == after.headers["etag"], unnamed
        assert "immutable" not in newest.headers["cache-control"], unnamed


async def test_harmful_flashing_is_told_before_anything_plays(g: Gateway, project: str) -> None:
    studio = ProjectHarness(g, project)
    episode = await studio.episode(2)
    await studio.images(episode)
    for segment in episode["segments"]:
        await studio.video(segment, ("approve", None))
    await studio.film(episode, None)
    second = episode["segments"][1]["id"]
    await g.world.pool.execute(
        "update versions set quality = $2 where segment_id = $1 and kind = 'video'",
        second,
        {"overall_score": 0.0, "measures": {"flashes_per_second": 5.0, "red_flashes_per_second": 0.0}},
    )
    (film,) = (await studio.api.get(f"/episodes/{episode['id']}/compilation-jobs")).json()["data"]
    assert film["photosensitivity_warning"] == (
        "May trigger seizures in people with photosensitive epilepsy: in segment 2 this film flashes up to 5 times a "
        "second."
    )
    calm, flashing = [
        (await studio.api.get(f"/versions/{used['version_id']}")).json()["photosensitivity_warning"]
        for used in film["segments"]
    ]
    assert calm is None
    assert flashing == (
        "May trigger seizures in people with photosensitive epilepsy: this video flashes up to 5 times a second."
    )
    stored = {"version_id": "v", "version_number": 1, "directions": "", "model": None, "media": {}}
    announced = [
        preview_of(stored | {"quality": {"measures": {"flashes_per_second": n}}}, "Segment 2 video") for n in (3, 5)
    ]
    assert [preview["photosensitivity_warning"] for preview in announced] == [None, flashing]
