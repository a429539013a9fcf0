"""The generator's database alone is older than what the others know: runs, versions and commits come back from its own
events, and no call is paid a second time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from services.generator.consumers import consumer_router
from services.generator.domain.runs import Lane
from services.generator.providers.base import Provider
from services.generator.recovery import recollection
from services.generator.wiring import capabilities, event_stores
from shared.contracts.base import Event
from shared.contracts.topics import Service
from shared.contracts.values import AssetKind, RunSource
from shared.core.errors import Permanent
from shared.messaging.events import Message
from tests.conftest import FreshDatabase
from tests.integration.test_generator_calls import Killed, PaidProvider
from tests.support import events, restored
from tests.support.generator import Bench, ScriptedMaker, open_bench
from tests.support.postgres import Postgres

LANES = {"replicate": lambda kind: Lane.CALL, "animatic": lambda kind: Lane.RENDER}


@dataclass
class Paid(PaidProvider):
    """Tells by the id alone which call it was."""

    asked: list[str] = field(default_factory=list)

    def handle_of(self, provider_ref: str, prepared: Mapping[str, Any]) -> Mapping[str, Any]:
        self.asked.append(provider_ref)
        return {"id": provider_ref}


@dataclass
class History:
    """`inputs`: everything that the generator was told, in order."""

    bench: Bench
    inputs: list[Message[Event]]

    async def told(self, event: Event) -> None:
        self.inputs.append(events.message(event, at=datetime.now(UTC)))
        router = consumer_router(
            event_stores(self.bench.base), capabilities(self.bench.settings, self.bench.adapters), self.bench.base.clock
        )
        await restored.consume(self.bench.pool, Service.GENERATOR, router, self.inputs[-1:])

    async def tells_all_again(self) -> None:
        inputs, self.inputs = self.inputs, []
        router = consumer_router(
            event_stores(self.bench.base), capabilities(self.bench.settings, self.bench.adapters), self.bench.base.clock
        )
        await restored.consume(self.bench.pool, Service.GENERATOR, router, inputs)

    async def requested(self, ref: dict[str, Any], **more: Any) -> None:
        await self.told(
            events.regenerate_requested(
                **ref, **({"asset_kind": AssetKind.IMAGE, "overrides": {"directions": "A lighthouse"}} | more)
            )
        )

    async def previewed(self, ref: dict[str, Any], **more: Any) -> Any:
        await self.requested(ref, **more)
        if more.get("source") is not RunSource.EXISTING:
            await self.bench.work()
        return await self.bench.one("preview-ready", run_id=ref["run_id"])

    async def committed(self, ref: dict[str, Any], **more: Any) -> str:
        preview = await self.previewed(ref, **more)
        version_id = str(preview.candidates[0].version_id)
        await self.told(events.accepted(**ref, version_id=version_id))
        return version_id


@asynccontextmanager
async def paying(url: str, root: Path, provider: Paid) -> AsyncIterator[Bench]:
    async with open_bench(url, root) as bench:
        offline = Provider(LANES["animatic"], ScriptedMaker())
        bench.rewire(
            providers={"replicate": Provider(LANES["replicate"], remote=provider), "animatic": offline},
            default_provider="replicate",
        )
        yield bench


def of_asset(ref: dict[str, Any]) -> dict[str, Any]:
    """Another run of the same asset."""
    return ref | {"run_id": events.ref()["run_id"]}


def _ref() -> dict[str, Any]:
    ref = events.ref()
    del ref["asset_kind"]
    return ref


async def _first_part(h: History, refs: dict[str, dict[str, Any]], provider: Paid) -> None:
    refs["first"], refs["waiting"], refs["rejected"] = _ref(), _ref(), _ref()
    refs["version"] = {"id": await h.committed(refs["first"], keep_original=True)}
    await h.previewed(refs["waiting"])


async def _second_part(h: History, refs: dict[str, dict[str, Any]], provider: Paid) -> None:
    refs["second"] = of_asset(refs["first"])
    await h.committed(refs["second"], keep_original=False, variants=2)
    refs["rollback"] = of_asset(refs["first"])
    await h.committed(refs["rollback"], source=RunSource.EXISTING, version_id=refs["version"]["id"], auto_approve=True)
    preview = await h.previewed(refs["rejected"])
    await h.told(events.rejected(**refs["rejected"], version_id=preview.candidates[0].version_id))
    refs["late"] = _ref()
    await h.previewed(refs["late"])
    refs["refused"], refs["cancelled"] = _ref(), _ref()
    provider.faults["before submit"] = [Permanent("provider_refused", "It refuses this.")]
    await h.requested(refs["refused"])
    await h.bench.work()
    await h.requested(refs["cancelled"])
    await h.told(
        events.cancel_requested(
            target="run", target_id=refs["cancelled"]["run_id"], asset_id=refs["cancelled"]["asset_id"],
            episode_id=refs["cancelled"]["episode_id"],
        )
    )  # fmt: skip
    refs["under way"] = _ref()
    await h.requested(refs["under way"])
    provider.faults["poll"] = [Killed()]
    with pytest.raises(Killed):
        await h.bench.work()
    refs["queued"] = _ref()
    await h.requested(refs["queued"])


async def _state(bench: Bench) -> dict[str, Any]:
    """What others may ask about. A run that was under way is the work of nobody, and of no attempt yet."""
    runs = await bench.pool.fetch(
        """select run_id, asset_id, case when state = 'generating' then 'queued' else state end as state, rev,
                  settings, provider, model, lane, problem, spent, spent_currency, spent_estimated, calls, request,
                  case when state = 'preview_ready' then base_commit_seq end as base
           from runs order by run_id"""
    )
    versions = await bench.pool.fetch(
        """select version_id, run_id, version_number, status, facts, accepted_at, retirement_reason
           from versions order by version_id"""
    )
    return {
        "runs": [dict(r) for r in runs],
        "versions": [dict(v) for v in versions],
        "candidates": [tuple(c) for c in await bench.pool.fetch("select * from candidates order by 1, 2")],
        "assets": await restored.rows(bench.pool, "assets", "created_at"),
        "jobs": [tuple(j) for j in await bench.pool.fetch("select job_id, kind from jobs order by 1")],
        "spending": await bench.pool.fetchval("select coalesce(sum(amount), 0) from provider_calls"),
        "parked": await restored.rows(bench.pool, "parked", "id", "parked_at"),
    }


@pytest.mark.parametrize("cut", ["nothing", "half"])
async def test_a_generator_database_of_any_moment_is_brought_forward(
    fresh_database: FreshDatabase, postgres: Postgres, tmp_path: Path, cut: str
) -> None:
    """After the fold, and after reading everything again, it is as if nothing had been lost; what was being paid for
    goes on, and nothing is paid for again."""
    provider, refs, inputs = Paid(), dict[str, dict[str, Any]](), list[Message[Event]]()
    url = await fresh_database("generator")
    if cut == "half":
        async with paying(url, tmp_path, provider) as bench:
            await _first_part(History(bench, inputs), refs, provider)
    async with restored.copied(postgres, url) as old:
        async with paying(url, tmp_path, provider) as bench:
            history = History(bench, inputs)
            if cut == "nothing":
                await _first_part(history, refs, provider)
            await _second_part(history, refs, provider)
            own, wanted = await restored.published(bench.pool), await _state(bench)
        paid = dict(provider.paid)
        async with paying(old, tmp_path, provider) as bench:
            recalled = recollection(bench.base.publisher, bench.base.clock, LANES)
            assert await restored.fold(bench.pool, recalled, own, inputs) == {}
            before = await bench.pool.fetchval("select count(*) from outbox")
            await History(bench, inputs).tells_all_again()
            assert await bench.pool.fetchval("select count(*) from outbox") == before, "nothing is made a second time"
            found = await _state(bench)
            for what, rows in wanted.items():
                assert found[what] == rows, what

            await bench.run_all()
            assert await bench.state(refs["under way"]["run_id"]) == "preview_ready"
            assert await bench.state(refs["queued"]["run_id"]) == "preview_ready"
            assert len(provider.paid) == len(paid) + 1, "only the run that was queued"
            assert provider.asked == [list(paid.values())[-1]]
            preview = await bench.one("preview-ready", run_id=refs["under way"]["run_id"])
            assert (preview.cost.amount, preview.cost.calls) == ("0.25", 1)
            waiting = (await bench.pool.fetchval(
                "select version_id from candidates where run_id = $1", refs["waiting"]["run_id"]))  # fmt: skip
            await bench.handle(events.accepted(**refs["waiting"], version_id=waiting))
            assert await bench.state(refs["waiting"]["run_id"]) == "complete"


async def _in_flight(h: History, provider: Paid, fault: str) -> dict[str, Any]:
    ref = _ref()
    await h.requested(ref)
    provider.faults[fault] = [Killed()]
    with pytest.raises(Killed):
        await h.bench.work()
    return ref


async def test_a_call_that_no_event_names_ends_its_run_and_needs_a_person(
    fresh_database: FreshDatabase, tmp_path: Path
) -> None:
    """It may be paid already: the request had left when the database was lost."""
    provider, inputs = Paid(), list[Message[Event]]()
    async with paying(await fresh_database("generator"), tmp_path, provider) as bench:
        ref = await _in_flight(History(bench, inputs), provider, "after submit")
        own = await restored.published(bench.pool)
    async with paying(await fresh_database("generator"), tmp_path, provider) as bench:
        recalled = recollection(bench.base.publisher, bench.base.clock, LANES)
        people = await restored.fold(bench.pool, recalled, own, inputs, times=1)
        assert people == {ref["run_id"]: "it may have called replicate: look for its call in the provider's own list"}
        await History(bench, inputs).tells_all_again()
        assert await bench.claim() is None
        [failed] = await bench.published("failed")
    assert (failed.outcome, failed.problem.code, len(provider.paid)) == ("failed", "call_not_followed", 1)
    assert failed.run_rev > max(m.event.run_rev for m in own)  # type: ignore[attr-defined]


async def test_a_run_whose_request_no_topic_has_is_named(fresh_database: FreshDatabase, tmp_path: Path) -> None:
    provider, inputs = Paid(), list[Message[Event]]()
    async with paying(await fresh_database("generator"), tmp_path, provider) as bench:
        ref = _ref()
        await History(bench, inputs).committed(ref)
        own = await restored.published(bench.pool)
    async with paying(await fresh_database("generator"), tmp_path, provider) as bench:
        recalled = recollection(bench.base.publisher, bench.base.clock, LANES)
        assert await restored.fold(bench.pool, recalled, own, []) == {ref["run_id"]: "no topic has its request"}
