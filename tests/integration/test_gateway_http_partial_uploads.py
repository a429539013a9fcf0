"""Uploads in parts: a file goes on where it broke, whoever answers, and nothing of it stays that nobody finishes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from services.gateway.api.routes import partial_uploads
from services.gateway.api.schemas.partial_uploads import PartialUpload
from services.gateway.jobs import prune
from services.gateway.retention import retention_service
from shared.contracts.topics import Service
from shared.objects import open_objects
from shared.postgres.pool import transaction
from tests.conftest import FreshDatabase
from tests.support.clock import FakeClock
from tests.support.gateway_http import Gateway, gateway
from tests.support.gateway_shapes import same_shape
from tests.support.http_client import photograph

PHOTOGRAPH = photograph(hue=5)
THIRD = len(PHOTOGRAPH) // 3


@pytest_asyncio.fixture
async def g(fresh_database: FreshDatabase, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with gateway(await fresh_database("gateway"), tmp_path, rate_quota=100_000) as made:
        yield made


class Sender:
    def __init__(self, g: Gateway, project: str, user: str = "ana") -> None:
        self.g, self.project, self.api, self.id = g, project, g.client(user), ""

    async def begin(self, size: int = len(PHOTOGRAPH), name: str = "../Häfen.xyz") -> httpx.Response:
        answer = await self.api.post(f"/projects/{self.project}/partial-uploads", json={"filename": name, "size": size})
        if answer.status_code == 201:
            self.id = answer.json()["id"]
            assert answer.headers["location"] == f"/api/v1/partial-uploads/{self.id}"
        return answer

    async def send(self, offset: int, content: Any) -> httpx.Response:
        return await self.api.patch(f"/partial-uploads/{self.id}?offset={offset}", content=content)

    async def state(self) -> dict[str, Any]:
        found = await self.api.get(f"/partial-uploads/{self.id}")
        assert found.status_code == 200, found.text
        same_shape(PartialUpload, found.json())
        return dict(found.json())

    def objects(self) -> list[Path]:
        root = Path(self.g.settings.objects_url.removeprefix("file://"))
        return [p for p in root.rglob("*") if p.is_file() and {"parts", "uploads"} & set(p.parts)]


@pytest_asyncio.fixture
async def sender(g: Gateway) -> Sender:
    made = Sender(g, str((await g.client().post("/projects", json={"name": "P"})).json()["id"]))
    assert (await made.begin()).status_code == 201
    return made


async def test_a_file_in_three_parts_is_one_upload(sender: Sender) -> None:
    assert (await sender.send(0, PHOTOGRAPH[:THIRD])).json()["received"] == THIRD
    assert (await sender.send(THIRD, PHOTOGRAPH[THIRD : 2 * THIRD])).json()["upload"] is None
    done = (await sender.send(2 * THIRD, PHOTOGRAPH[2 * THIRD :])).json()
    upload = done["upload"]
    assert (upload["filename"], upload["kind"], upload["size"]) == ("Häfen.xyz", "image", len(PHOTOGRAPH))
    assert (await sender.g.client(None).get(upload["url"])).content == PHOTOGRAPH
    assert (await sender.state())["upload"]["id"] == upload["id"], "who missed the answer finds it"
    assert (await sender.send(2 * THIRD, PHOTOGRAPH[2 * THIRD :])).json()["upload"]["id"] == upload["id"]
    assert len(sender.objects()) == 1, "the parts are gone"


async def test_a_part_that_breaks_off_is_sent_again_and_the_others_are_not(sender: Sender) -> None:
    await sender.send(0, PHOTOGRAPH[:THIRD])

    async def breaks() -> AsyncIterator[bytes]:
        yield PHOTOGRAPH[THIRD : THIRD + 100]
        raise ConnectionResetError

    assert (await sender.send(THIRD, breaks())).status_code >= 400
    assert (await sender.state())["received"] == THIRD
    assert (await sender.send(THIRD, PHOTOGRAPH[THIRD:])).json()["upload"] is not None


async def test_another_offset_tells_where_to_go_on(sender: Sender) -> None:
    await sender.send(0, PHOTOGRAPH[:THIRD])
    for offset in (0, THIRD - 1, THIRD + 1):
        refused = await sender.send(offset, b"x" * 10)
        assert (refused.status_code, refused.json()["current"]) == (409, str(THIRD))
        assert refused.json()["recovery"] == f"Go on from byte {THIRD}."
    answers = await asyncio.gather(*(sender.send(THIRD, PHOTOGRAPH[THIRD:]) for _ in range(4)))
    assert {a.status_code for a in answers} <= {200, 409}
    assert len({a.json()["upload"]["id"] for a in answers if a.status_code == 200}) == 1
    assert len(sender.objects()) == 1


async def test_more_than_was_announced_nothing_and_what_is_no_media_are_refused(sender: Sender) -> None:
    assert (await sender.send(0, b"")).status_code == 422
    assert (await sender.send(0, b"%PDF-1.7 and so on")).status_code == 415
    assert (await sender.send(0, PHOTOGRAPH + b"x")).json()["type"] == "/problems/too-large"
    assert sender.objects() == []
    film = Sender(sender.g, sender.project)
    assert (await film.begin(2049 << 20)).json()["limit"] == 2048 << 20
    await film.begin(81 << 20)  # a picture has at most 80 MiB
    refused = await film.send(0, PHOTOGRAPH)
    assert (refused.status_code, refused.json()["limit"]) == (413, 80 << 20)
    for wrong in ({"filename": "a", "size": 0}, {"filename": "", "size": 1}, {"size": 1}):
        assert (await film.api.post(f"/projects/{film.project}/partial-uploads", json=wrong)).status_code == 422
    assert (await sender.api.patch(f"/partial-uploads/{sender.id}", content=b"x")).status_code == 422


async def test_a_file_that_is_refused_in_the_end_is_dropped(sender: Sender) -> None:
    torn = PHOTOGRAPH[:2000]
    await sender.begin(len(torn))
    await sender.send(0, torn[:1000])
    refused = await sender.send(1000, torn[1000:])
    assert (refused.status_code, "cannot be read" in refused.json()["detail"]) == (422, True)
    assert sender.objects() == []
    assert (await sender.api.get(f"/partial-uploads/{sender.id}")).status_code == 404


async def test_a_last_step_that_failed_is_repeated_alone(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(*_: Any) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(partial_uploads, "examined", fails)
        assert (await sender.send(0, PHOTOGRAPH)).status_code == 503
    assert (await sender.state())["received"] == len(PHOTOGRAPH)
    assert (await sender.send(len(PHOTOGRAPH), b"")).json()["upload"] is not None
    assert len(sender.objects()) == 1


async def test_nobody_else_sees_it(sender: Sender) -> None:
    owner = sender.api
    for user in ("bob", "eve"):
        await sender.g.client(user).get("/me")
    await owner.put(f"/projects/{sender.project}/members/bob", json={"role": "editor"})
    path = f"/partial-uploads/{sender.id}"
    for user in ("bob", "eve"):
        other = sender.g.client(user)
        assert (await other.get(path)).status_code == 404
        assert (await other.patch(f"{path}?offset=0", content=PHOTOGRAPH)).status_code == 404
        assert (await other.delete(path)).status_code == 404
    assert (await sender.g.client(None).get(path)).status_code == 401
    bob = Sender(sender.g, sender.project, "bob")
    await bob.begin()
    await owner.put(f"/projects/{sender.project}/members/bob", json={"role": "viewer"})
    assert (await bob.send(0, PHOTOGRAPH)).status_code == 403


async def test_the_whole_file_counts_as_stored_until_it_is_dropped(
    fresh_database: FreshDatabase, tmp_path: Path
) -> None:
    async with gateway(await fresh_database("gateway"), tmp_path, storage_per_project=1000 + len(PHOTOGRAPH)) as g:
        sender = Sender(g, str((await g.client().post("/projects", json={"name": "P"})).json()["id"]))
        await sender.begin(1000 + len(PHOTOGRAPH))
        assert (await sender.begin(1)).json()["type"] == "/problems/storage-full"
        assert (await sender.api.delete(f"/partial-uploads/{sender.id}")).status_code == 204
        assert (await sender.begin()).status_code == 201
        assert (await sender.send(0, PHOTOGRAPH)).json()["upload"] is not None, "it does not count twice"


async def test_what_nobody_goes_on_with_is_deleted_in_the_end(sender: Sender) -> None:
    await sender.send(0, PHOTOGRAPH[:THIRD])
    async with open_objects(sender.g.settings.objects_url, Service.GATEWAY) as objects:
        retention = retention_service(sender.g.world.pool, objects.own)
        later = datetime.now(UTC) + timedelta(hours=49)
        await retention.collect(later)
        assert len(sender.objects()) == 1, "as long as somebody may go on"
        async with transaction(sender.g.world.pool) as connection:
            await prune(connection, FakeClock(later))
        assert (await sender.api.get(f"/partial-uploads/{sender.id}")).status_code == 404
        await retention.collect(later)
        assert sender.objects() == []
