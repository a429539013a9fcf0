"""What a project may store: counted with the file that is added, told, and free again by deletion."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from services.gateway.commands.batches import StartBatch, start_batch
from services.gateway.commands.films import CompileEpisode, compile_episode
from services.gateway.commands.imports import ImportFilm, import_film
from services.gateway.commands.reviews import SubmitDecision, submit_decision
from services.gateway.commands.runs import StartRun, start_run
from services.gateway.commands.segments import delete_segment
from services.gateway.commands.uploads import RegisterUpload, register_upload
from services.gateway.commands.versions import RegisterVersion, register_version
from services.gateway.domain.accounts import Caller
from services.gateway.domain.errors import Refusal
from services.gateway.domain.quotas import Quotas
from shared.contracts.values import AssetKind
from shared.core.ids import new_id
from tests.conftest import FreshDatabase
from tests.support import events
from tests.support.gateway_harness import GatewayHarness, world


@pytest_asyncio.fixture
async def w(fresh_database: FreshDatabase) -> AsyncIterator[GatewayHarness]:
    async with world(await fresh_database("gateway")) as made:
        yield made


def limited(w: GatewayHarness, storage: int) -> None:
    w.stores = replace(w.stores, quotas=Quotas(storage=storage))


async def upload(w: GatewayHarness, caller: Caller, size: int, kind: Any = "image") -> str:
    upload_id = new_id()
    ref = events.object_ref().model_copy(update={"size": size, "key": f"uploads/{upload_id}.bin"})
    await w.do(register_upload, caller, RegisterUpload(upload_id, "Harbour.jpg", f"{kind}/any", kind, ref))
    return upload_id


async def stored(w: GatewayHarness, caller: Caller) -> int:
    async def ask(store: Any) -> int:
        return int(await store.projects.stored_bytes(caller.project_id))

    return await w.do(ask)


async def full(doing: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        await doing
    assert caught.value.slug == "storage-full"
    assert "Delete" in caught.value.recovery or "delete" in caught.value.recovery
    return caught.value


async def test_files_never_exceed_the_limit_however_many_come_at_once(w: GatewayHarness) -> None:
    limited(w, 10_000_000)
    caller, other = await w.project(), await w.project()
    outcomes = await asyncio.gather(*(upload(w, caller, 3_000_000) for _ in range(8)), return_exceptions=True)
    refusals = [o for o in outcomes if isinstance(o, Refusal)]
    assert len(refusals) == 5
    assert {(r.slug, r.extensions["limit"], r.extensions["used"]) for r in refusals} == {
        ("storage-full", 10_000_000, 9_000_000)
    }
    assert "3 MB" in refusals[0].cause and "9 MB" in refusals[0].cause
    await upload(w, caller, 1_000_000)  # to the last byte
    assert await stored(w, caller) == 10_000_000
    await upload(w, other, 3_000_000)  # another project has its own


async def test_whatever_would_add_to_a_full_project_is_refused_and_the_rest_goes_on(w: GatewayHarness) -> None:
    caller = await w.project()
    episode = await w.episode(caller)
    (image,) = await w.assets(episode, AssetKind.STARTING_IMAGE)
    (video,) = await w.assets(episode, AssetKind.VIDEO)
    run = await w.do(start_run, caller, StartRun(image))
    await w.settle()
    film, picture = await upload(w, caller, 500, "video"), await upload(w, caller, 500)
    limited(w, await stored(w, caller))
    await full(upload(w, caller, 1))
    await full(w.do(start_run, caller, StartRun(video)))
    await full(w.do(start_batch, caller, StartBatch(episode)))
    await full(w.do(register_version, caller, RegisterVersion(video, upload_id=film)))
    await full(w.do(import_film, caller, ImportFilm(film)))
    await full(w.do(compile_episode, caller, CompileEpisode(episode)))
    version = (await w.run(run.run_id))["candidates"][0]
    await w.do(submit_decision, caller, SubmitDecision(run.run_id, "approve", version_id=version))
    await w.settle()
    assert (await w.run(run.run_id))["status"] == "complete"
    assert picture


async def test_deletion_frees_what_it_deletes(w: GatewayHarness) -> None:
    caller = await w.project()
    episode = await w.episode(caller)
    (image,) = await w.assets(episode, AssetKind.STARTING_IMAGE)
    await w.do(start_run, caller, StartRun(image))
    await w.settle()
    made = await stored(w, caller)
    assert made > 0
    gone = await upload(w, caller, 1000)
    limited(w, made + 1000)
    await full(upload(w, caller, 1))
    await w.pool.execute("update uploads set deleted_at = now() where upload_id = $1", gone)  # as retention marks it
    await upload(w, caller, 1000)
    await w.do(delete_segment, caller, (await w.segments(episode))[0])
    assert await stored(w, caller) == 1000
