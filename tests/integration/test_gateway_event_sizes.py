"""What does not fit in an event is refused with what to shorten, before anything is written, and never tried again."""

from __future__ import annotations

import pytest

from services.gateway import jobs as gateway_jobs
from services.gateway.api import problems
from services.gateway.commands.batches import StartBatch, start_batch
from services.gateway.commands.films import CompileEpisode, compile_episode
from services.gateway.commands.runs import StartRun, start_run
from services.gateway.domain.errors import Refusal
from services.gateway.store.unit_of_work import ADVANCE_BATCH, Store
from shared.contracts.events.gateway import CompileRequested, RegenerateRequested
from shared.contracts.values import AssetKind
from shared.core.errors import Permanent
from shared.jobs import queue
from shared.messaging import outbox
from shared.postgres.pool import transaction
from tests.support.gateway_harness import GatewayHarness


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> set[type]:
    """The kinds of events that are too large; empty at first."""
    found: set[type] = set()
    body_of = outbox.body_of

    def bounded(event: object) -> str:
        if type(event) in found:
            raise Permanent(outbox.TOO_LARGE, "over 1000000 bytes")
        return body_of(event)  # type: ignore[arg-type]

    monkeypatch.setattr(outbox, "body_of", bounded)
    return found


async def test_a_film_that_does_not_fit_is_refused_with_what_to_do(w: GatewayHarness, full: set[type]) -> None:
    caller = await w.project(workflow="monolithic")
    episode = await w.episode(caller, 1)
    full.add(CompileRequested)
    render = StartBatch(episode, mode="parallel", auto_approve=True, compile=CompileEpisode(episode))
    batch_id = await w.do(start_batch, caller, render)
    await w.settle()

    batch = await w.batch(batch_id)
    assert (batch["status"], batch["error"]["code"]) == ("failed", "invalid")
    assert batch["error"]["recovery"] == "Compile fewer segments."
    assert not await w.pool.fetchval("select count(*) from jobs where kind = 'advance-batch'"), "it is not tried again"
    with pytest.raises(Refusal) as refused:
        await w.do(compile_episode, caller, CompileEpisode(episode), last_try=True)
    problem = problems.of(refused.value)
    assert problem.status_code == 422
    assert "Compile fewer segments." in problem.detail
    assert await w.pool.fetchval("select count(*) from compilations") == 0


async def test_a_run_that_does_not_fit_is_refused_and_its_asset_stays_free(w: GatewayHarness, full: set[type]) -> None:
    caller = await w.project()
    episode = await w.episode(caller, 1)
    full.add(RegenerateRequested)
    image = await w.row("select asset_id from assets where kind = 'starting_image'")
    with pytest.raises(Refusal) as refused:
        await w.do(start_run, caller, StartRun(image["asset_id"], "A harbour"))
    assert "reference images" in refused.value.recovery
    batch_id = await w.do(start_batch, caller, StartBatch(episode))
    await w.settle()
    failed = await w.row(
        "select problem from batch_items where batch_id = $1 and kind = $2", batch_id, AssetKind.STARTING_IMAGE
    )
    assert failed["problem"]["code"] == "invalid"
    assert (await w.asset(image["asset_id"]))["active_run_id"] is None


async def test_a_batch_that_can_never_advance_fails_by_name(w: GatewayHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    caller = await w.project()
    batch_id = await w.do(start_batch, caller, StartBatch(await w.episode(caller, 1)))

    async def cannot(store: Store, batch_id: str) -> None:
        raise Permanent("broken_for_good", "It cannot be.", "Start another batch.")

    async def wake(store: Store) -> None:
        await store.wake_batch(batch_id)

    await w.do(wake)
    monkeypatch.setattr(gateway_jobs, "advance_batch", cannot)
    async with transaction(w.pool) as connection:
        [claim, *_] = await queue.claim(connection, ADVANCE_BATCH, 1, worker="test")
    await gateway_jobs.job_kinds(w.pool, w.stores)[ADVANCE_BATCH].handler(claim)

    batch = await w.batch(batch_id)
    assert (batch["status"], batch["error"]["code"], batch["error"]["recovery"]) == (
        "failed",
        "broken_for_good",
        "Start another batch.",
    )
    assert not await w.pool.fetchval("select count(*) from jobs where job_id = $1", claim.job_id)


async def test_an_event_that_no_command_foresaw_is_the_caller_s_to_shorten() -> None:
    problem = problems.of(Permanent(outbox.TOO_LARGE, "over 1000000 bytes"))
    assert (problem.status_code, problem.slug) == (422, "invalid")
    assert problem.recovery == "Shorten the texts that it contains, then try again."
