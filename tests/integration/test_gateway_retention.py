"""What retention frees in the gateway, and how clients see what the generator let go."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from services.gateway.commands.imports import ImportFilm, import_film
from services.gateway.commands.projects import ChangeSettings, change_settings, delete_project
from services.gateway.commands.reviews import SubmitDecision, submit_decision
from services.gateway.commands.runs import StartRun, reopen_run, start_run
from services.gateway.commands.uploads import RegisterUpload, register_upload
from services.gateway.commands.versions import RegisterVersion, register_version, roll_back
from services.gateway.domain.accounts import Caller
from services.gateway.domain.errors import Refusal
from services.gateway.retention import retention_service
from shared.contracts.events.gateway import RegenerateRequested
from shared.contracts.topics import Service
from shared.contracts.values import AssetKind
from shared.core.errors import Retryable
from shared.core.ids import new_id
from shared.objects import ObjectStore, open_objects
from shared.retention.engine import Freed, RetentionService
from tests.conftest import FreshDatabase
from tests.support import events
from tests.support.gateway_world import World, world

WEEK, GRACE, OVER = timedelta(days=7), timedelta(hours=48), timedelta(minutes=1)


@dataclass
class Kept:
    w: World
    store: ObjectStore
    retention: RetentionService

    async def upload(self, caller: Caller, kind: Any = "image") -> str:
        upload_id = new_id()
        ref = await self.store.put_bytes(f"uploads/{upload_id}.bin", b"mine", f"{kind}/any")
        await self.w.do(register_upload, caller, RegisterUpload(upload_id, "Harbour.jpg", f"{kind}/any", kind, ref))
        return upload_id

    async def sweep(self, after: timedelta = timedelta()) -> Freed:
        self.w.clock.move(after.total_seconds())
        now = self.w.clock.now()
        return await self.retention.purge(now) + await self.retention.collect(now)

    async def why(self, upload_id: str) -> tuple[str, str]:
        return {
            line.id: (line.disposition.action.value, line.disposition.reason)
            async for line in self.retention.explain(self.w.clock.now())
        }[upload_id]

    async def keys(self) -> list[str]:
        return [o.key async for o in self.store.list()]


@pytest_asyncio.fixture
async def kept(fresh_database: FreshDatabase, tmp_path: Path) -> AsyncIterator[Kept]:
    async with (
        world(await fresh_database("gateway")) as w,
        open_objects(f"file://{tmp_path}", Service.GATEWAY) as objects,
    ):
        yield Kept(w, objects.own, retention_service(w.pool, objects.own))


async def an_image(w: World) -> tuple[Caller, str]:
    caller = await w.project()
    return caller, (await w.assets(await w.episode(caller), AssetKind.STARTING_IMAGE))[0]


async def refused(slug: str, work: Any) -> None:
    with pytest.raises(Refusal) as e:
        await work
    assert e.value.slug == slug


async def test_an_upload_goes_when_its_run_has_ended(kept: Kept) -> None:
    caller, asset = await an_image(kept.w)
    upload = await kept.upload(caller)
    run = await kept.w.do(register_version, caller, RegisterVersion(asset, upload))
    assert await kept.why(upload) == ("keep", "a run or an import works from it")
    await kept.w.settle()
    assert await kept.sweep(2 * WEEK) == Freed(), "its preview waits"
    await kept.w.do(submit_decision, caller, SubmitDecision(run.run_id, "approve"))
    await kept.w.settle()
    assert (await kept.sweep()).marked == 1
    await refused("invalid", kept.w.do(register_version, caller, RegisterVersion(asset, upload)))
    assert await kept.sweep(GRACE - OVER) == Freed()
    assert await kept.sweep(2 * OVER) == Freed(0, 1, 4)
    assert await kept.keys() == []


async def test_an_upload_whose_run_failed_or_that_nobody_used_stays_a_week(kept: Kept) -> None:
    caller, asset = await an_image(kept.w)
    tried, idle = await kept.upload(caller), await kept.upload(caller)
    kept.w.played.fails = lambda _: True
    await kept.w.do(register_version, caller, RegisterVersion(asset, tried))
    await kept.w.settle()
    assert await kept.why(tried) == ("keep", "its run failed and can be retried")
    assert await kept.why(idle) == ("keep", "not used yet")
    assert await kept.sweep(WEEK - OVER) == Freed()
    assert (await kept.sweep(2 * OVER)).marked == 2


async def test_a_characters_picture_stays_until_its_settings_or_its_project_go(kept: Kept) -> None:
    caller, _ = await an_image(kept.w)
    upload = await kept.upload(caller)
    named = {"characters": [{"name": "Ana", "description": "", "upload_ids": [upload]}]}
    await kept.w.do(change_settings, caller, ChangeSettings(None, named))
    assert await kept.sweep(52 * WEEK) == Freed()
    await kept.w.do(delete_project, caller)
    assert await kept.why(upload) == ("mark", "its project was deleted")
    assert (await kept.sweep()).marked == 1


async def test_a_film_stays_while_it_is_split(kept: Kept) -> None:
    caller, _ = await an_image(kept.w)
    film = await kept.upload(caller, "video")
    started = await kept.w.do(import_film, caller, ImportFilm(film))
    assert await kept.sweep(2 * WEEK) == Freed()
    failed = events.failed(
        run_id=None, asset_id=None, asset_kind=None, import_id=started.import_id, episode_id=started.episode_id
    )
    await kept.w.deliver(events.message(failed, at=kept.w.clock.now()))
    assert await kept.why(film) == ("keep", "its run failed and can be retried")


async def test_an_object_that_no_row_knows_is_collected(kept: Kept) -> None:
    await kept.store.put_bytes("uploads/left.jpg", b"left", "image/jpeg")
    found = [stored async for stored in kept.store.list("uploads/left")]
    kept.w.clock.move((found[0].modified - kept.w.clock.now() + GRACE - OVER).total_seconds())
    assert await kept.sweep() == Freed()
    assert await kept.sweep(2 * OVER) == Freed(0, 1, 4)


async def test_a_store_that_is_away_loses_no_row(kept: Kept, monkeypatch: Any) -> None:
    caller, _ = await an_image(kept.w)
    upload = await kept.upload(caller)
    await kept.sweep(WEEK + OVER)

    async def away(*keys: str) -> None:
        raise Retryable("object_store_unavailable", "The store is away.")

    with monkeypatch.context() as patched:
        patched.setattr(kept.store, "delete", away)
        with pytest.raises(Retryable):
            await kept.sweep(GRACE + OVER)
    assert (await kept.why(upload))[0] == "delete"
    assert (await kept.sweep()).deleted == 1


async def test_a_version_is_gone_after_a_week_unless_it_is_offered_again(kept: Kept) -> None:
    caller, asset = await an_image(kept.w)
    run = await kept.w.do(start_run, caller, StartRun(asset))
    await kept.w.settle()
    await kept.w.do(submit_decision, caller, SubmitDecision(run.run_id, "reject"))
    await kept.w.settle()
    version = (await kept.w.run(run.run_id))["candidates"][0]

    async def is_gone() -> bool:
        return (await kept.w.row("select retired_at from versions where version_id = $1", version))[
            "retired_at"
        ] is not None

    kept.w.clock.move((WEEK - OVER).total_seconds())
    again = await kept.w.do(reopen_run, caller, run.run_id)
    await kept.sweep(2 * OVER)
    assert not await is_gone(), "its run is on the way"
    await kept.w.settle()
    await kept.sweep(WEEK)
    assert not await is_gone(), "it waits for a decision"
    await kept.w.do(submit_decision, caller, SubmitDecision(again.run_id, "reject"))
    await kept.w.settle()
    await kept.sweep(WEEK + OVER)
    assert await is_gone()


async def test_a_rollback_that_fails_leaves_its_version_an_accepted_one(kept: Kept) -> None:
    caller, asset = await an_image(kept.w)
    for _ in range(2):
        run = await kept.w.do(start_run, caller, StartRun(asset))
        await kept.w.settle()
        await kept.w.do(submit_decision, caller, SubmitDecision(run.run_id, "approve"))
        await kept.w.settle()
    first = await kept.w.row("select version_id from versions where asset_id = $1 and number = 1", asset)
    kept.w.played.fails = lambda r: isinstance(r, RegenerateRequested)
    back = await kept.w.do(roll_back, caller, first["version_id"])
    await kept.w.settle()
    assert (await kept.w.run(back.run_id))["status"] == "failed"
    kept.w.played.fails = lambda _: False
    await kept.sweep(WEEK + OVER)
    await kept.w.do(roll_back, caller, first["version_id"])
    await kept.w.settle()
    assert (await kept.w.asset(asset))["committed_version_id"] == first["version_id"]
