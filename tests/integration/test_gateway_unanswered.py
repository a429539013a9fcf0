"""Commands that the broker lost without anybody noticing: published again, as the same events, until answered."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from services.gateway.commands.reviews import SubmitDecision, submit_decision
from services.gateway.commands.runs import StartRun, cancel_run, start_run
from services.gateway.jobs import ANSWERED_WITHIN, recurring_jobs
from services.gateway.store.unanswered import publish_again
from shared.contracts.events.gateway import RegenerateRequested
from shared.contracts.values import AssetKind, Ref
from shared.postgres.pool import transaction
from tests.support import events
from tests.support.gateway_harness import GatewayHarness


async def _lose(w: GatewayHarness, *, ago: timedelta = 2 * ANSWERED_WITHIN) -> None:
    """The relay has published everything some time ago; nobody received it."""
    w.clock.move(ago.total_seconds())
    await w.pool.execute("update outbox set published_at = $1", datetime.now(UTC) - ago)


async def _repeat(w: GatewayHarness) -> list[tuple[str, str]]:
    before = datetime.now(UTC) - ANSWERED_WITHIN
    async with transaction(w.pool) as connection:
        return sorted(await publish_again(connection, before))


async def _waiting(w: GatewayHarness) -> list[tuple[str, str]]:
    rows = await w.pool.fetch("select topic, event_id from outbox where published_at is null order by id")
    return [(row["topic"], row["event_id"]) for row in rows]


async def test_a_run_whose_request_was_lost_is_requested_again_and_its_cancellation_ends_it(w: GatewayHarness) -> None:
    caller = await w.project()
    asset = (await w.assets(await w.episode(caller), AssetKind.STARTING_IMAGE))[0]
    run = (await w.do(start_run, caller, StartRun(asset))).run_id
    sent = [row for row in await _waiting(w) if row[0] == "regenerate-requested"]
    assert await _repeat(w) == []  # it waits in our own outbox
    await _lose(w)
    assert await _repeat(w) == [("regenerate-requested", run)]
    assert await _waiting(w) == sent  # the same event: who knows it ignores it
    await w.pool.execute("update outbox set published_at = now()")
    assert await _repeat(w) == []  # just published: an answer may be on its way
    await w.do(cancel_run, caller, run)
    await _lose(w)
    assert await _repeat(w) == [("cancel-requested", run), ("regenerate-requested", run)]
    [request] = [e for e in await w.outbox() if isinstance(e, RegenerateRequested)]
    ref = {name: getattr(request, name) for name in Ref.model_fields}
    cancelled = events.failed(**ref, run_rev=1, outcome="cancelled")  # the generator, as its races are tested
    await w.deliver(events.message(cancelled))
    assert (await w.run(run))["status"] == "cancelled"
    assert (await w.row("select active_run_id from assets where asset_id = $1", asset))["active_run_id"] is None
    await _lose(w)
    assert await _repeat(w) == []


async def test_a_lost_decision_is_submitted_again_until_there_is_a_verdict(w: GatewayHarness) -> None:
    caller = await w.project()
    asset = (await w.assets(await w.episode(caller), AssetKind.STARTING_IMAGE))[0]
    run = (await w.do(start_run, caller, StartRun(asset))).run_id
    await w.settle()
    await _lose(w)
    assert await _repeat(w) == []  # a preview that waits for a person is an answer
    await w.do(submit_decision, caller, SubmitDecision(run, "approve"))
    await _lose(w)
    assert await _repeat(w) == [("decision-submitted", run)]
    await w.settle()
    assert (await w.run(run))["status"] == "complete"
    await _lose(w)
    assert await _repeat(w) == []


async def test_it_recurs(w: GatewayHarness) -> None:
    caller = await w.project()
    asset = (await w.assets(await w.episode(caller), AssetKind.STARTING_IMAGE))[0]
    run = (await w.do(start_run, caller, StartRun(asset))).run_id
    await _lose(w)
    [repeat] = [job for job in recurring_jobs(w.pool, w.stores, w.clock) if job.name == "repeat-commands"]
    w.clock.move((datetime.now(UTC) - w.clock.now()).total_seconds())
    await repeat.work()
    assert run in {
        row["s"]
        for row in await w.pool.fetch("select headers ->> 'ce_subject' as s from outbox where published_at is null")
    }
