"""The client's editor against the gateway: what it starts on an asset that has a committed version."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest
import pytest_asyncio

from client.api import AsyncRetake
from client.controller import AssetController
from client.editing import Phase
from client.models import Asset, AssetKind
from tests.support.gateway_http import Gateway
from tests.support.gateway_project import ProjectHarness

KINDS = (AssetKind.STARTING_IMAGE, AssetKind.VIDEO, AssetKind.NARRATION, AssetKind.MUSIC)
SEGMENT = {
    "duration": 5,
    "directions": {"starting_image": "A harbour", "video": "Pan left", "narration": "We leave at dawn."},
}


@pytest_asyncio.fixture
async def client(g: Gateway) -> AsyncIterator[AsyncRetake]:
    transport = httpx.ASGITransport(g.app, client=("127.0.0.1", 5000))
    async with AsyncRetake("http://localhost", g.token("ana"), http=transport) as client:
        yield client


async def committed(g: Gateway, client: AsyncRetake, kind: AssetKind) -> Asset:
    """An asset of this kind with a committed version, whose media facts no model of the kind takes as settings."""
    project = ProjectHarness(g, (await client.projects.create("Holidays")).id)
    document = {"title": "One", "segments": [SEGMENT], "directions": {"music": "Calm"}}
    response = await project.api.post(f"/projects/{project.project_id}/episodes", json=document)
    episode = response.json()
    if kind is AssetKind.VIDEO:
        await project.images(episode)
    (asset,) = await client.episodes.assets(episode["id"], kind=kind)
    await made(g, project, asset.id)
    asset = await client.assets.get(asset.id)
    assert asset.committed is not None
    assert asset.committed.resolution == "1920x1080"
    return asset


async def made(g: Gateway, project: ProjectHarness, asset_id: str) -> None:
    run = await project.api.post(f"/assets/{asset_id}/runs", json={})
    assert run.status_code == 202, run.text
    await g.world.settle()
    await project.decide(run.json()["id"], "approve", 5)


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.value)
async def test_a_committed_asset_is_made_again_as_it_is(g: Gateway, client: AsyncRetake, kind: AssetKind) -> None:
    asset = await committed(g, client, kind)
    async with AssetController(client, asset) as editor:
        assert not editor.state.has_changes
        await editor.start()
        assert (editor.state.error, editor.state.phase) == (None, Phase.GENERATING)
    assert editor.state.run_id is not None
    overrides = await requested(g, editor.state.run_id)
    assert overrides.pop("duration", None) == (5 if kind is AssetKind.VIDEO else None)  # its segment's
    assert set(overrides) == {"directions"}, "only what the draft has"


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.value)
async def test_only_what_was_changed_is_sent(g: Gateway, client: AsyncRetake, kind: AssetKind) -> None:
    asset = await committed(g, client, kind)
    settings = {"resolution": "480p"} if kind is AssetKind.VIDEO else {"seed": 7} if kind is AssetKind.MUSIC else {}
    async with AssetController(client, asset) as editor:
        draft = editor.state.draft
        editor.edit(replace(draft, directions="Calmer", parameters={**draft.parameters, **settings}))
        await editor.start()
        assert editor.state.error is None
    assert editor.state.run_id is not None
    overrides = await requested(g, editor.state.run_id)
    if kind is AssetKind.VIDEO:
        assert overrides.pop("duration") == 5
    assert overrides == {"directions": "Calmer", **settings}


async def test_a_changed_default_of_the_project_applies_to_an_open_editor(g: Gateway, client: AsyncRetake) -> None:
    asset = await committed(g, client, AssetKind.VIDEO)
    assert asset.project_id is not None
    await client.projects.change_settings(asset.project_id, {"video": {"resolution": "480p"}})
    async with AssetController(client, asset) as editor:
        await editor.start()
        assert editor.state.run_id is not None
        assert "resolution" not in await requested(g, editor.state.run_id)


async def test_a_saved_draft_has_only_what_was_chosen(g: Gateway, client: AsyncRetake) -> None:
    asset = await committed(g, client, AssetKind.STARTING_IMAGE)
    async with AssetController(client, asset) as editor:
        editor.edit(replace(editor.state.draft, directions="A quay", parameters={"seed": 3}))
        await editor.save()
        assert not editor.state.has_changes
    draft = (await client.assets.get(asset.id)).draft
    assert draft is not None
    assert (draft.directions, draft.settings) == ("A quay", {"seed": 3})


async def requested(g: Gateway, run_id: str) -> dict[str, object]:
    await g.world.settle()
    return dict(g.world.services.requests[run_id].overrides)
