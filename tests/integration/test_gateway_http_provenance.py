"""The origin of versions and films, read from their files in a confined process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from PIL import Image

from services.gateway.api import provenance
from shared.contracts.topics import Service
from shared.media.c2pa import Claim, Ingredient, sign
from shared.media.signing_identity import Identity, identity_from
from shared.objects import open_objects
from tests.conftest import FreshDatabase
from tests.integration.test_gateway_http_access import SEGMENTS
from tests.support.gateway_http import Gateway, gateway

CARD = Claim("Card", "image/png", "trainedAlgorithmicMedia", "bytedance/seedream-4")


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return identity_from(None, None, tmp_path_factory.mktemp("signing"))


def signed(folder: Path, identity: Identity, claim: Claim = CARD) -> bytes:
    Image.new("RGB", (64, 64), "teal").save(folder / "plain.png")
    sign(folder / "plain.png", folder / "signed.png", claim, identity)
    return (folder / "signed.png").read_bytes()


@pytest_asyncio.fixture
async def g(fresh_database: FreshDatabase, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with gateway(await fresh_database("gateway"), tmp_path) as made:
        yield made


class World:
    """A picture that Ana has approved, and a film."""

    def __init__(self, g: Gateway) -> None:
        self.g, self.api = g, g.client()
        self.version = self.film = ""

    async def begin(self) -> World:
        api = self.api
        project = (await api.post("/projects", json={"name": "P"})).json()["id"]
        body = {"title": "E", "segments": SEGMENTS[:1]}
        made = (await api.post(f"/projects/{project}/episodes", json=body)).json()
        await api.post(f"/episodes/{made['id']}/batches", json={"auto_approve": True})
        await self.g.world.settle()
        started = await api.post(f"/episodes/{made['id']}/compile", json={}, headers={"Prefer": "respond-async"})
        self.film = started.json()["compilation_job_id"]
        await self.g.world.settle()
        image = made["segments"][0]["assets"]["starting_image"]
        run = (await api.post(f"/assets/{image}/runs", json={})).json()
        await self.g.world.settle()
        self.version = (await api.get(f"/runs/{run['id']}")).json()["versions"][0]["id"]
        await api.post(f"/runs/{run['id']}/review", json={"action": "approve"}, headers={"Prefer": "respond-async"})
        await self.g.world.settle()
        return self

    async def store(self, content: bytes, name: str = "versions/a.png") -> None:
        """As the file of every version and film."""
        async with open_objects(self.g.settings.objects_url, Service.GENERATOR) as objects:
            ref = (await objects.own.put_bytes(name, content, "image/png")).model_dump(mode="json")
        await self.g.world.pool.execute("update versions set object = $1", ref)
        await self.g.world.pool.execute("update compilations set object = $1", ref)

    async def of_version(self) -> httpx.Response:
        return await self.api.get(f"/versions/{self.version}/provenance")

    async def of_film(self) -> httpx.Response:
        return await self.api.get(f"/compilation-jobs/{self.film}/provenance")


@pytest_asyncio.fixture
async def world(g: Gateway) -> World:
    return await World(g).begin()


async def test_a_version_names_its_signer_model_and_approver(world: World, identity: Identity, tmp_path: Path) -> None:
    await world.store(signed(tmp_path, identity))
    found = (await world.of_version()).json()
    assert found == {
        "state": "valid",
        "signer": "Retake development certificate",
        "organisation": "Retake (development, not trusted)",
        "development": True,
        "unsigned_reason": None,
        "made_by": "bytedance/seedream-4",
        "source": "trainedAlgorithmicMedia",
        "ingredients": [],
        "approvers": ["Ana"],
        "problems": [],
    }


async def test_a_film_names_what_it_is_made_of_and_who_approved_that(
    world: World, identity: Identity, tmp_path: Path
) -> None:
    parts = [
        Ingredient("Segment 1: video", "video/mp4", facts={"version_id": world.version, "model": "animatic/camera"}),
        Ingredient("Music", "audio/mp4", facts={"version_id": world.version, "approved_by": "ana"}),
        Ingredient("Voice", "audio/mp4", facts={"approved_by": "somebody who left"}),
    ]
    await world.store(signed(tmp_path, identity, Claim("Film", "image/png", "composite", ingredients=parts)))
    found = (await world.of_film()).json()
    assert (found["state"], found["source"], found["approvers"]) == ("valid", "composite", ["Ana", "somebody who left"])
    assert [(i["title"], i["model"], i["approved_by"]) for i in found["ingredients"]] == [
        ("Segment 1: video", "animatic/camera", None),
        ("Music", None, "Ana"),
        ("Voice", None, "somebody who left"),
    ]


async def test_a_changed_file_an_unsigned_one_and_no_picture_at_all(
    world: World, identity: Identity, tmp_path: Path
) -> None:
    content = bytearray(signed(tmp_path, identity))
    content[-60] ^= 1  # in the picture's data
    await world.store(bytes(content), "versions/changed.png")
    changed = (await world.of_version()).json()
    assert (changed["state"], bool(changed["problems"])) == ("invalid", True)
    await world.store((tmp_path / "plain.png").read_bytes(), "versions/plain.png")
    await world.g.world.pool.execute("""update versions set info = info || '{"unsigned_reason": "No key."}'""")
    plain = (await world.of_version()).json()
    assert (plain["state"], plain["signer"], plain["unsigned_reason"]) == ("none", None, "No key.")
    await world.store(b"\x89PNG\r\n\x1a\n and then nothing that was ever drawn", "versions/hostile.png")
    assert (await world.of_version()).json()["state"] in ("none", "invalid")


async def test_each_file_is_read_once(
    world: World, identity: Identity, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.store(signed(tmp_path, identity))
    real, read = provenance.run_job, []

    async def counted(*args: Any, **more: Any) -> Any:
        read.append(args)
        return await real(*args, **more)

    monkeypatch.setattr(provenance, "run_job", counted)
    assert (await world.of_version()).json()["state"] == (await world.of_film()).json()["state"] == "valid"
    assert len(read) == 1


async def test_a_file_that_is_gone(world: World) -> None:
    lost = await world.of_version()  # the harness has no bytes
    assert (lost.status_code, lost.json()["type"]) == (410, "/problems/gone")
    await world.g.world.pool.execute("update versions set retired_at = now()")
    assert (await world.of_version()).status_code == 410
