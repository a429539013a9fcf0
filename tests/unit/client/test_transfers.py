"""Downloads: resumed, complete, and nothing left behind."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from client import errors
from tests.unit.client.fake import Frames, Gateway, refusal

FILM = bytes(range(256)) * 40
MEDIA = "http://127.0.0.1:8080/api/v1/media/films/f1/content?v=1&exp=2&sig=3"


def part(start: int, *, stop: int | None = None, breaks: bool = False, etag: str = '"v1"') -> httpx.Response:
    """The film from `start`, interrupted at `stop`."""
    pieces: list[bytes | Exception] = [FILM[start:stop]]
    if breaks:
        pieces.append(httpx.ReadError("reset"))
    headers = {"ETag": etag, "Content-Length": str(len(FILM) - start)}
    if start:
        headers["Content-Range"] = f"bytes {start}-{len(FILM) - 1}/{len(FILM)}"
    return httpx.Response(206 if start else 200, headers=headers, stream=Frames(pieces))


async def test_a_broken_download_goes_on_where_it_stopped(tmp_path: Path) -> None:
    gateway = Gateway(part(0, stop=4000, breaks=True), httpx.ConnectError("refused"), part(4000))
    told: list[int] = []
    size = await gateway.client().download(MEDIA, tmp_path / "film.mp4", on_progress=lambda done, _: told.append(done))
    assert (tmp_path / "film.mp4").read_bytes() == FILM
    assert size == len(FILM)
    assert told == sorted(told)
    assert told[-1] == len(FILM)
    assert gateway.requests[2].headers["Range"] == "bytes=4000-"
    assert gateway.requests[2].headers["If-Range"] == '"v1"'
    assert "Authorization" not in gateway.requests[0].headers  # the link is signed
    assert [p.name for p in tmp_path.iterdir()] == ["film.mp4"]


async def test_a_server_that_starts_over_is_followed(tmp_path: Path) -> None:
    gateway = Gateway(part(0, stop=4000, breaks=True, etag='"old"'), part(0, etag='"new"'))
    await gateway.client().download(MEDIA, tmp_path / "film.mp4")
    assert (tmp_path / "film.mp4").read_bytes() == FILM


async def test_a_short_answer_is_not_a_whole_one(tmp_path: Path) -> None:
    gateway = Gateway(part(0, stop=4000), part(4000))  # ended without an error
    await gateway.client().download(MEDIA, tmp_path / "film.mp4")
    assert (tmp_path / "film.mp4").read_bytes() == FILM


async def test_an_expired_link_is_renewed(tmp_path: Path) -> None:
    async def renewed() -> str:
        return MEDIA + "9"

    gateway = Gateway(part(0, stop=4000, breaks=True), refusal(410, "link-expired"), part(4000))
    await gateway.client().download(MEDIA, tmp_path / "film.mp4", renew_url=renewed)
    assert (tmp_path / "film.mp4").read_bytes() == FILM
    assert str(gateway.requests[-1].url) == MEDIA + "9"


async def test_what_fails_leaves_nothing_and_keeps_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "film.mp4"
    target.write_bytes(b"the earlier film")
    gateway = Gateway(part(0, stop=4000, breaks=True), then=lambda _: httpx.ConnectError("refused"))
    with pytest.raises(errors.TransferFailed, match="stopped at 4000 of 10240"):
        await gateway.client().download(MEDIA, target)
    assert target.read_bytes() == b"the earlier film"
    assert list(tmp_path.iterdir()) == [target]


async def test_a_cancelled_download_leaves_nothing(tmp_path: Path) -> None:
    class Endless(httpx.AsyncByteStream):
        async def __aiter__(self):  # type: ignore[no-untyped-def]
            yield FILM
            await asyncio.sleep(60)

    gateway = Gateway(httpx.Response(200, stream=Endless()))
    task = asyncio.create_task(gateway.client().download(MEDIA, tmp_path / "film.mp4"))
    while not list(tmp_path.iterdir()):
        await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert list(tmp_path.iterdir()) == []


async def test_a_refusal_is_not_asked_again(tmp_path: Path) -> None:
    gateway = Gateway(refusal(410, "gone"))
    with pytest.raises(errors.Gone):
        await gateway.client().download(MEDIA, tmp_path / "film.mp4")


@pytest.mark.parametrize(("url", "authorised"), [("/api/v1/media/x", True), ("http://cdn.example/x", False)])
async def test_only_the_gateway_sees_the_token(tmp_path: Path, url: str, authorised: bool) -> None:
    gateway = Gateway(part(0))
    await gateway.client().download(url, tmp_path / "film.mp4")
    assert ("Authorization" in gateway.requests[0].headers) is authorised


STORE = "https://s3.example/films/f1?X-Amz-Signature=abc"


def redirect(location: str = STORE) -> httpx.Response:
    return httpx.Response(307, headers={"Location": location, "Cache-Control": "no-store"})


async def test_an_object_store_is_asked_for_the_rest_of_the_file_without_the_token(tmp_path: Path) -> None:
    gateway = Gateway(redirect(), part(0, stop=4000, breaks=True), redirect(STORE + "d"), part(4000))
    await gateway.client().download("/api/v1/media/x", tmp_path / "film.mp4")
    assert (tmp_path / "film.mp4").read_bytes() == FILM
    asked = [(r.url.host, r.headers.get("Range"), "Authorization" in r.headers) for r in gateway.requests]
    assert asked == [
        ("127.0.0.1", None, True),
        ("s3.example", None, False),
        ("127.0.0.1", "bytes=4000-", True),
        ("s3.example", "bytes=4000-", False),
    ]
    assert str(gateway.requests[-1].url) == STORE + "d", "each attempt has a fresh link to the store"


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://s3.example/x", "data:text/plain,x"])
async def test_a_redirect_to_anything_but_a_web_address_is_refused(tmp_path: Path, location: str) -> None:
    gateway = Gateway(redirect(location))
    with pytest.raises(errors.BadResponse, match="no web address"):
        await gateway.client().download(MEDIA, tmp_path / "film.mp4")
    assert list(tmp_path.iterdir()) == []


async def test_only_one_redirect_is_followed(tmp_path: Path) -> None:
    gateway = Gateway(redirect(), redirect("https://s3.example/elsewhere"))
    with pytest.raises(errors.ProblemError, match="HTTP 307"):
        await gateway.client().download(MEDIA, tmp_path / "film.mp4")
    assert len(gateway.requests) == 2


async def test_a_part_of_another_file_is_never_appended(tmp_path: Path) -> None:
    """S3 knows no If-Range: it answers with a part of what is there now."""
    gateway = Gateway(
        redirect(), part(0, stop=4000, breaks=True, etag='"old"'), redirect(), part(4000, etag='"new"'),
        redirect(), part(0, etag='"new"'),
    )  # fmt: skip
    await gateway.client().download(MEDIA, tmp_path / "film.mp4")
    assert (tmp_path / "film.mp4").read_bytes() == FILM


async def test_a_store_whose_object_became_shorter_starts_over(tmp_path: Path) -> None:
    beyond = httpx.Response(416, text="<Error><Code>InvalidRange</Code></Error>")
    gateway = Gateway(redirect(), part(0, stop=4000, breaks=True), redirect(), beyond, redirect(), part(0))
    await gateway.client().download(MEDIA, tmp_path / "film.mp4")
    assert (tmp_path / "film.mp4").read_bytes() == FILM
    assert "Range" not in gateway.requests[-1].headers
