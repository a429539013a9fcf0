"""A provider that costs: whenever the worker dies, nothing is paid twice and nothing that was paid is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest

from services.generator.domain.calls import CANCEL_ORPHAN, Call, Handle
from services.generator.domain.runs import Lane
from services.generator.jobs import AgeLimits
from services.generator.providers.base import (
    CallFailed,
    CallRunning,
    CallSucceeded,
    CancelOutcome,
    CandidateFile,
    CandidateRequest,
    Provider,
    ProviderThrottled,
    SubmissionUnknown,
)
from services.generator.wiring import orphan_kind
from shared.contracts.values import AssetKind, Cost, Media, ProjectSettings, SpendCap
from shared.core.errors import Fenced, Permanent, Retryable
from shared.jobs import queue as jobs
from shared.postgres.pool import transaction
from tests.support import events
from tests.support.generator import Bench, ScriptedMaker

PRICE = Cost(amount="0.25", basis="estimated", calls=1)


class Killed(BaseException):
    """The worker died here: nothing that follows runs."""


@dataclass
class PaidProvider:
    """Keeps accounts. `fault(step)` may raise at each step, before or after it took effect."""

    paid: dict[str, str] = field(default_factory=dict)  # call id -> handle
    cancelled: list[str] = field(default_factory=list)
    fetched: int = 0
    polls_before_done: int = 1
    faults: dict[str, list[BaseException]] = field(default_factory=dict)
    charge_of_cancelled: Cost | None = field(default_factory=lambda: Cost(amount="0.10", basis="estimated"))
    _polled: int = 0

    def _fault(self, step: str) -> None:
        if waiting := self.faults.get(step):
            raise waiting.pop(0)

    async def prepare(self, order: CandidateRequest) -> dict[str, Any]:
        return {"prompt": order.prompt}

    async def submit(self, call_id: str, order: CandidateRequest) -> Handle:
        self._fault("before submit")
        assert call_id not in self.paid, "paid twice for one call"
        self.paid[call_id] = f"prediction-{len(self.paid) + 1}"
        self._fault("after submit")
        return {"id": self.paid[call_id]}

    async def poll(self, handle: Handle) -> CallRunning | CallSucceeded | CallFailed:
        self._fault("poll")
        assert handle["id"] in self.paid.values()
        if handle["id"] in self.cancelled:
            return CallFailed(Permanent("cancelled", "Cancelled."), self.charge_of_cancelled, cancelled=True)
        self._polled += 1
        return (
            CallRunning(0.5, poll_after_s=0.01)
            if self._polled <= self.polls_before_done
            else CallSucceeded("output", PRICE)
        )

    async def fetch(self, order: CandidateRequest, done: CallSucceeded, work: Path) -> CandidateFile:
        self._fault("fetch")
        self.fetched += 1
        out = work / "fetched.bin"
        out.write_bytes(b"fetched")
        return CandidateFile(out, "application/octet-stream", done.cost)

    async def cancel(self, handle: Handle) -> CancelOutcome:
        self._fault("cancel")
        if self._polled > self.polls_before_done:
            return CancelOutcome.TOO_LATE
        self.cancelled.append(handle["id"])
        return CancelOutcome.ACCEPTED

    async def find_orphan(self, call: Call, beside: Sequence[Call]) -> Handle | None:
        self._fault("find")
        found = self.paid.get(call.call_id)
        return {"id": found} if found else None


@pytest.fixture
def provider(bench: Bench) -> PaidProvider:
    found = PaidProvider()
    offline = Provider(lambda kind: Lane.RENDER, ScriptedMaker())
    bench.rewire(
        providers={"replicate": Provider(lambda kind: Lane.CALL, remote=found), "animatic": offline},
        default_provider="replicate",
    )
    return found


async def requested(bench: Bench, **overrides: Any) -> Any:
    request = events.regenerate_requested(
        **({"asset_kind": AssetKind.IMAGE, "overrides": {"directions": "A lighthouse"}} | overrides)
    )
    await bench.handle(request)
    return request


async def call_states(bench: Bench) -> list[str]:
    return [r["state"] for r in await bench.pool.fetch("select state from provider_calls order by intended_at")]


async def test_a_call_is_written_before_it_is_made_and_its_cost_is_told(bench: Bench, provider: PaidProvider) -> None:
    request = await requested(bench)
    await bench.work()
    preview = await bench.one("preview-ready")
    assert preview.candidates[0].model == "bytedance/seedream-4"
    assert (preview.cost.amount, preview.cost.basis, preview.cost.calls) == ("0.25", "estimated", 1)
    assert preview.candidates[0].cost == PRICE
    assert await call_states(bench) == ["succeeded"]
    await bench.accept(preview)
    assert (await bench.one("complete")).cost == preview.cost
    assert request.run_id == preview.run_id


@pytest.mark.parametrize(
    ("step", "states", "paid"),
    [
        ("before submit", ["lost", "succeeded"], 1),  # intent written, nothing sent
        ("after submit", ["succeeded"], 1),  # sent, its id unsaved
        ("poll", ["succeeded"], 1),
        ("fetch", ["succeeded"], 1),
    ],
)
async def test_wherever_the_worker_dies_the_next_one_takes_over_and_pays_once(
    bench: Bench, provider: PaidProvider, step: str, states: list[str], paid: int
) -> None:
    provider.faults[step] = [Killed()]
    await requested(bench)
    with pytest.raises(Killed):
        await bench.work(await bench.claim(lease_s=0))
    await bench.work()
    preview = await bench.one("preview-ready")
    assert len(provider.paid) == paid
    assert await call_states(bench) == states
    assert (preview.cost.amount, preview.cost.calls) == ("0.25", 1)


async def test_dying_between_fetch_and_store_fetches_again_and_pays_once(bench: Bench, provider: PaidProvider) -> None:
    inspect = bench.media.inspect

    async def dies(*args: Any) -> Any:
        raise Killed

    bench.media.inspect = dies  # type: ignore[method-assign]
    await requested(bench)
    with pytest.raises(Killed):
        await bench.work(await bench.claim(lease_s=0))
    bench.media.inspect = inspect  # type: ignore[method-assign]
    await bench.work()
    assert (len(provider.paid), provider.fetched) == (1, 2)
    assert (await bench.one("preview-ready")).cost.amount == "0.25"


async def test_an_answer_that_never_came_is_looked_for_not_repeated(bench: Bench, provider: PaidProvider) -> None:
    provider.faults["after submit"] = [SubmissionUnknown("provider_timeout", "No answer within 60 s.")]
    provider.faults["find"] = [Retryable("provider_busy", "The list is not there yet.")]
    await requested(bench)
    for _ in range(3):
        await bench.run_due()
    await bench.one("preview-ready")
    assert len(provider.paid) == 1


@pytest.mark.parametrize("step", ["poll", "fetch", "find"])
async def test_a_provider_that_is_away_uses_up_no_attempt_of_what_was_paid(
    bench: Bench, provider: PaidProvider, step: str
) -> None:
    provider.faults[step] = [Retryable("provider_unavailable", "503") for _ in range(6)]  # more than a run may fail
    if step == "find":
        provider.faults["after submit"] = [SubmissionUnknown("provider_unsure", "No answer.")]
    request = await requested(bench)
    await bench.run_all()
    assert (await bench.one("preview-ready")).cost.amount == "0.25"
    assert (len(provider.paid), await call_states(bench)) == (1, ["succeeded"])
    said = await bench.published("progress", run_id=request.run_id)
    told = [e for e in said if e.message_code == "run.provider_away"]
    assert [(e.message_args["cause"], e.message_args["delay_s"]) for e in told] == [("503", 15)] * 6


async def test_a_refusal_ends_its_call_and_the_next_attempt_is_a_new_one(bench: Bench, provider: PaidProvider) -> None:
    provider.faults["before submit"] = [Retryable("provider_busy", "429", delay_s=0)]
    await requested(bench)
    await bench.run_due()
    await bench.run_due()
    assert await call_states(bench) == ["failed", "succeeded"]
    assert len(provider.paid) == 1


async def test_refused_output_was_still_paid_and_is_not_made_again(bench: Bench, provider: PaidProvider) -> None:
    bench.media.found[AssetKind.IMAGE] = Media(width=64, height=64)
    await requested(bench)
    await bench.work()
    failed = await bench.one("failed")
    assert (failed.problem.code, failed.problem.retryable) == ("output_differs", True)
    assert (failed.cost.amount, failed.cost.calls) == ("0.25", 1)
    assert len(provider.paid) == 1
    assert await call_states(bench) == ["succeeded"]


async def test_cancelling_stops_the_provider_and_counts_what_it_charges(bench: Bench, provider: PaidProvider) -> None:
    provider.polls_before_done = 10**6
    request = await requested(bench)
    async with bench.worker():
        while not provider.paid or "submitted" not in await call_states(bench):
            await asyncio.sleep(0.01)
        await bench.handle(events.cancel_requested(target_id=request.run_id))
        assert (await bench.one("failed")).outcome == "cancelled"
    await run_abandonments(bench)
    assert len(provider.cancelled) == 1
    assert await call_states(bench) == ["cancelled"]
    spent = await bench.pool.fetchval("select spent::text from runs where run_id = $1", request.run_id)
    assert spent == "0.10"
    first, last = await bench.published("failed")
    assert (first.cost.amount, first.cost.unknown.calls, first.cost.unknown.at_most) == ("0", 1, "0.03"), "still open"
    assert "not answered yet" in first.cost.unknown.reason
    assert (last.cost.amount, last.cost.calls, last.cost.unknown) == ("0.10", 1, None), "what was charged later is told"
    assert last.run_rev > first.run_rev and last.outcome == "cancelled"


# Where a run is when it is cancelled: what becomes of its call, and what it cost in the end.
MOMENTS: dict[str, tuple[list[str], str]] = {
    "queued": ([], "0"),
    "preparing": ([], "0"),
    "submitting": (["cancelled"], "0.10"),  # it arrived, its answer did not
    "looking": (["cancelled"], "0.10"),
    "downloading": (["succeeded"], "0.25"),
    "inspecting": (["succeeded"], "0.25"),
    "storing": (["succeeded"], "0.25"),
    "waiting for the provider's limit": (["failed"], "0"),
    "backing off": (["failed"], "0"),
    "waiting to poll again": (["cancelled"], "0.10"),
}


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_run_is_cancelled_wherever_it_is_and_says_what_it_cost(
    bench: Bench, provider: PaidProvider, moment: str
) -> None:
    reached, (states, cost) = asyncio.Event(), MOMENTS[moment]
    hang = _hang(reached)
    match moment:
        case "preparing":
            provider.prepare = hang  # type: ignore[method-assign]
        case "submitting":
            submit = provider.submit
            provider.submit = lambda *args: hang(submit(*args))  # type: ignore[assignment,method-assign]
        case "looking":
            provider.polls_before_done, provider.poll = 10**6, _first(hang, provider.poll)  # type: ignore[method-assign]
        case "downloading":
            provider.fetch = hang  # type: ignore[method-assign]
        case "inspecting":
            bench.media.inspect = hang  # type: ignore[method-assign]
        case "storing":
            bench.objects.own.put_file = hang  # type: ignore[method-assign]
        case "waiting for the provider's limit":
            provider.faults["before submit"] = [ProviderThrottled("provider_rate_limited", "slow down", delay_s=60.0)]
        case "backing off":
            provider.faults["before submit"] = [Retryable("provider_busy", "503", delay_s=60.0)]
        case "waiting to poll again":
            provider.polls_before_done, provider.faults["poll"] = 10**6, [Retryable("provider_busy", "503")]
    request = await requested(bench)
    if moment == "queued":
        await bench.handle(events.cancel_requested(target_id=request.run_id))
    else:
        async with bench.worker(), asyncio.timeout(60):
            while not (reached.is_set() or await bench.pool.fetchval("select step = 'retrying' from runs")):
                await asyncio.sleep(0.01)
            await bench.handle(events.cancel_requested(target_id=request.run_id))
            while any((bench.root / "work" / "scratch" / "test").glob("*/")):
                await asyncio.sleep(0.01)
    assert await bench.state(request.run_id) == "cancelled"
    if await bench.pool.fetchval("select count(*) from jobs"):
        await run_abandonments(bench)
    assert await call_states(bench) == states
    last = (await bench.published("failed"))[-1]
    assert (last.outcome, last.problem.code, Decimal(last.cost.amount)) == ("cancelled", "cancelled", Decimal(cost))
    assert await bench.published("preview-ready") == []


def _hang(reached: asyncio.Event) -> Any:
    async def hang(*args: Any, **named: Any) -> Any:
        for arg in args:
            if asyncio.iscoroutine(arg):
                await arg
        reached.set()
        await asyncio.sleep(60)

    return hang


def _first(once: Any, then: Any) -> Any:
    """`once` at the first call, `then` from the second on."""
    called = False

    def call(*args: Any) -> Any:
        nonlocal called
        called, was = True, called
        return then(*args) if was else once(*args)

    return call


async def test_a_provider_that_does_not_answer_is_asked_to_stop_again(bench: Bench, provider: PaidProvider) -> None:
    provider.polls_before_done = 10**6
    provider.faults["poll"] = [Killed()]
    provider.faults["cancel"] = [Retryable("provider_down", "503")]
    request = await requested(bench)
    with pytest.raises(Killed):
        await bench.work(await bench.claim())
    await bench.handle(events.cancel_requested(target_id=request.run_id))
    await run_abandonments(bench)
    assert await call_states(bench) == ["submitted"]
    await run_abandonments(bench)
    assert await call_states(bench) == ["cancelled"]


async def test_what_a_provider_does_not_tell_is_unknown_counts_by_its_price_and_is_asked_for_again(
    bench: Bench, provider: PaidProvider
) -> None:
    provider.polls_before_done, provider.charge_of_cancelled = 10**6, None
    provider.faults["poll"] = [Killed()]
    request = await requested(bench)
    with pytest.raises(Killed):
        await bench.work(await bench.claim())
    await bench.handle(events.cancel_requested(target_id=request.run_id))
    await run_abandonments(bench)
    told = (await bench.published("failed"))[-1].cost
    assert (told.amount, told.calls, told.unknown.calls, told.unknown.at_most) == ("0", 0, 1, "0.03")
    assert "does not say" in told.unknown.reason and await call_states(bench) == ["cancelled"]
    tight = ProjectSettings(spend_cap=SpendCap(amount="0.05"))
    refused = await requested(bench, project_settings=tight)
    await bench.work()
    problem = (await bench.one("failed", run_id=refused.run_id)).problem
    assert problem.code == "spend_cap_reached" and "0.03 USD are reserved" in problem.cause
    await bench.sweep(AgeLimits(timedelta(hours=1), timedelta(hours=1)))
    metric = generate_latest().decode()
    assert (
        'retake_provider_cost_unknown{currency="USD",model="bytedance/seedream-4",provider="replicate"} 0.03' in metric
    )
    provider.charge_of_cancelled = Cost(amount="0.01", basis="reported", calls=1)
    await run_abandonments(bench)
    told = (await bench.published("failed", run_id=request.run_id))[-1].cost
    assert (told.amount, told.basis, told.calls, told.unknown) == ("0.01", "reported", 1, None)
    assert not await bench.pool.fetchval("select count(*) from jobs"), "it has told: nothing is asked again"
    provider.polls_before_done = 0
    await requested(bench, project_settings=tight)
    await bench.work()
    assert len(await bench.published("preview-ready")) == 1, "there is room again under the cap"


async def test_what_never_arrived_is_free_also_if_its_run_was_cancelled_meanwhile(
    bench: Bench, provider: PaidProvider
) -> None:
    provider.faults["before submit"] = [SubmissionUnknown("provider_unsure", "504")]
    request = await requested(bench)
    await bench.work()
    await bench.handle(events.cancel_requested(target_id=request.run_id))
    await run_abandonments(bench)
    first, last = await bench.published("failed")
    assert (first.cost.unknown.at_most, last.cost.unknown, last.cost.amount) == ("0.03", None, "0")
    assert await call_states(bench) == ["lost"]


async def test_a_preview_that_took_two_calls_says_what_is_not_known_of_the_first(
    bench: Bench, provider: PaidProvider
) -> None:
    poll, ended = provider.poll, CallFailed(Retryable("provider_timeout", "Too slow.", delay_s=0), None, cancelled=True)

    async def late(handle: Handle) -> Any:
        provider.poll = poll  # type: ignore[method-assign]
        return ended

    provider.poll = late  # type: ignore[method-assign]
    await requested(bench)
    await bench.run_due()
    await bench.run_due()
    cost = (await bench.one("preview-ready")).cost
    assert (cost.amount, cost.calls, cost.unknown.calls, cost.unknown.at_most) == ("0.25", 1, 1, "0.03")


async def test_a_worker_past_its_lease_does_not_pay(bench: Bench, provider: PaidProvider) -> None:
    await requested(bench)
    slow = await bench.claim(lease_s=0)
    stop, go = asyncio.Event(), asyncio.Event()
    submit_intent = bench.generator.candidates.makers["replicate"].calls.record_intent  # type: ignore[attr-defined]

    async def paused(order: CandidateRequest, request: Any) -> Any:
        if order.attempt == 1:
            stop.set()
            await go.wait()
        return await submit_intent(order, request)

    bench.generator.candidates.makers["replicate"].calls.record_intent = paused  # type: ignore[attr-defined]
    late = asyncio.create_task(bench.work(slow))
    bench.tasks.append(late)
    await stop.wait()
    await bench.work()
    go.set()
    with pytest.raises(Fenced):
        await late
    assert len(provider.paid) == 1
    assert len(await bench.published("preview-ready")) == 1


async def run_abandonments(bench: Bench) -> None:
    kind = orphan_kind(bench.base, bench.adapters)
    await bench.pool.execute("update jobs set run_at = now()")
    async with transaction(bench.pool) as connection:
        claims = await jobs.claim(connection, CANCEL_ORPHAN, 10, worker="test")
    assert claims
    for claim in claims:
        await kind.handler(claim)
