"""Retention in the gateway: uploads are deleted, and versions that the generator marked are shown as gone."""

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
from tests.support.gateway_harness import GatewayHarness, world

WEEK, GRACE, OVER = timedelta(days=7), timedelta(hours=48), timedelta(minutes=1)


@dataclass
class RetentionHarness:
    w: GatewayHarness
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
async def harness(fresh_database: FreshDatabase, tmp_path: Path) -> AsyncIterator[RetentionHarness]:
    async with (
        world(await fresh_database("gateway")) as w,
        open_objects(f"file://{tmp_path}", Service.GATEWAY) as objects,
    ):
        yield RetentionHarness(w, objects.own, retention_service(w.pool, objects.own))


async def an_image(w: GatewayHarness) -> tuple[Caller, str]:
    caller = await w.project()
    return caller, (await w.assets(await w.episode(caller), AssetKind.STARTING_IMAGE))[0]


async def refused(slug: str, work: Any) -> None:
    with pytest.raises(Refusal) as e:
        await work
    assert e.value.slug == slug


async def test_an_upload_is_deleted_when_its_run_has_ended(harness: RetentionHarness) -> None:
    caller, asset = await an_image(harness.w)
    upload = await harness.upload(caller)
    run = await harness.w.do(register_version, caller, RegisterVersion(asset, upload))
    assert await harness.why(upload) == ("keep", "a run or an import works from it")
    await harness.w.settle()
    assert await harness.sweep(2 * WEEK) == Freed(), "its preview waits"
    await harness.w.do(submit_decision, caller, SubmitDecision(run.run_id, "approve"))
    await harness.w.settle()
    assert (await harness.sweep()).marked == 1
    await refused("invalid", harness.w.do(register_version, caller, RegisterVersion(asset, upload)))
    assert await harness.sweep(GRACE - OVER) == Freed()
    assert await harness.sweep(2 * OVER) == Freed(0, 1, 4)
    assert await harness.keys() == []


async def test_an_unused_upload_or_one_of_a_failed_run_is_kept_for_a_week(harness: RetentionHarness) -> None:
    caller, asset = await an_image(harness.w)
    tried, idle = await harness.upload(caller), await harness.upload(caller)
    harness.w.services.fails = lambda _: True
    await harness.w.do(register_version, caller, RegisterVersion(asset, tried))
    await harness.w.settle()
    assert await harness.why(tried) == ("keep", "its run failed and can be retried")
    assert await harness.why(idle) == ("keep", "not used yet")
    assert await harness.sweep(WEEK - OVER) == Freed()
    assert (await harness.sweep(2 * OVER)).marked == 2


async def test_a_characters_reference_image_is_kept_until_its_project_is_deleted(harness: RetentionHarness) -> None:
    caller, _ = await an_image(harness.w)
    upload = await harness.upload(caller)
    named = {"characters": [{"name": "Ana", "description": "", "upload_ids": [upload]}]}
    await harness.w.do(change_settings, caller, ChangeSettings(None, named))
    assert await harness.sweep(52 * WEEK) == Freed()
    await harness.w.do(delete_project, caller)
    assert await harness.why(upload) == ("mark", "its project was deleted")
    assert (await harness.sweep()).marked == 1


async def test_an_upload_is_kept_while_its_import_runs(harness: RetentionHarness) -> None:
    caller, _ = await an_image(harness.w)
    film = await harness.upload(caller, "video")
    started = await harness.w.do(import_film, caller, ImportFilm(film))
    assert await harness.sweep(2 * WEEK) == Freed()
    failed = events.failed(
        run_id=None, asset_id=None, asset_kind=None, import_id=started.import_id, episode_id=started.episode_id
    )
    await harness.w.deliver(events.message(failed, at=harness.w.clock.now()))
    assert await harness.why(film) == ("keep", "its run failed and can be retried")


async def test_an_object_without_a_row_is_collected(harness: RetentionHarness) -> None:
    await harness.store.put_bytes("uploads/left.jpg", b"left", "image/jpeg")
    found = [stored async for stored in harness.store.list("uploads/left")]
    harness.w.clock.move((found[0].modified - harness.w.clock.now() + GRACE - OVER).total_seconds())
    assert await harness.sweep() == Freed()
    assert await harness.sweep(2 * OVER) == Freed(0, 1, 4)


async def test_an_unavailable_store_loses_no_row(harness: RetentionHarness, monkeypatch: Any) -> None:
    caller, _ = await an_image(harness.w)
    upload = await harness.upload(caller)
    await harness.sweep(WEEK + OVER)

    async def away(*keys: str) -> None:
        raise Retryable("object_store_unavailable", "The store is away.")

    with monkeypatch.context() as patched:
        patched.setattr(harness.store, "delete", away)
        with pytest.raises(Retryable):
            await harness.sweep(GRACE + OVER)
    assert (await harness.why(upload))[0] == "delete"
    assert (await harness.sweep()).deleted == 1


async def test_a_closed_version_is_gone_after_a_week_unless_it_is_reopened(harness: RetentionHarness) -> None:
    caller, asset = await an_image(harness.w)
    run = await harness.w.do(start_run, caller, StartRun(asset))
    await harness.w.settle()
    await harness.w.do(submit_decision, caller, SubmitDecision(run.run_id, "reject"))
    await harness.w.settle()
    version = (await harness.w.run(run.run_id))["candidates"][0]

    async def is_gone() -> bool:
        return (await harness.w.row("select retired_at from versions where version_id = $1", version))[
            "retired_at"
        ] is not None

    harness.w.clock.move((WEEK - OVER).total_seconds())
    again = await harness.w.do(reopen_run, caller, run.run_id)
    await harness.sweep(2 * OVER)
    assert not await is_gone(), "its run is on the way"
    await harness.w.settle()
    await harness.sweep(WEEK)
    assert not await is_gone(), "it waits for a decision"
    await harness.w.do(submit_decision, caller, SubmitDecision(again.run_id, "reject"))
    await harness.w.settle()
    await harness.sweep(WEEK + OVER)
    assert await is_gone()


async def test_a_failed_rollback_leaves_its_version_accepted(harness: RetentionHarness) -> None:
    caller, asset = await an_image(harness.w)
    for _ in range(2):
        run = await harness.w.do(start_run, caller, StartRun(asset))
        await harness.w.settle()
        await harness.w.do(submit_decision, caller, SubmitDecision(run.run_id, "approve"))
        await harness.w.settle()
    first = await harness.w.row("select version_id from versions where asset_id = $1 and number = 1", asset)
    harness.w.services.fails = lambda r: isinstance(r, RegenerateRequested)
    back = await harness.w.do(roll_back, caller, first["version_id"])
    await harness.w.settle()
    assert (await harness.w.run(back.run_id))["status"] == "failed"
    harness.w.services.fails = lambda _: False
    await harness.sweep(WEEK + OVER)
    await harness.w.do(roll_back, caller, first["version_id"])
    await harness.w.settle()
    assert (await harness.w.asset(asset))["committed_version_id"] == first["version_id"]
