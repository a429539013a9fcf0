"""What providers let through, what projects may spend, whose turn it is: decided once for all replicas."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from services.generator.domain.calls import Call, Handle
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
    ProviderHalted,
    ProviderThrottled,
    SubmissionUnknown,
)
from services.generator.store.limiter import CallLimits, ProviderLimiter
from shared.contracts.catalogue import Limits
from shared.contracts.values import AssetKind, Cost, ProjectSettings, SpendCap
from shared.core.errors import Permanent, RetakeError, UserError
from shared.core.ids import new_id
from shared.jobs import queue as jobs
from shared.postgres.pool import transaction
from tests.support import events
from tests.support.generator import Bench, ScriptedMaker

PRICE = Decimal("0.03")  # of bytedance/seedream-4, the default
MODEL = "replicate bytedance/seedream-4"


class Hosted:
    """A provider elsewhere. `errors` are raised by submissions, in order; `open` says when calls end."""

    def __init__(self, cost: str = str(PRICE)) -> None:
        self.submitted: list[str] = []
        self.tried = 0
        self.errors: list[RetakeError] = []
        self.open = asyncio.Event()
        self.open.set()
        self.cost = Cost(amount=cost, basis="estimated", calls=1)

    async def prepare(self, order: CandidateRequest) -> dict[str, Any]:
        return {}

    async def submit(self, call_id: str, order: CandidateRequest) -> Handle:
        self.tried += 1
        if self.errors:
            raise self.errors.pop(0)
        self.submitted.append(order.run_id)
        return {"id": call_id}

    async def poll(self, handle: Handle) -> CallRunning | CallSucceeded | CallFailed:
        await self.open.wait()
        return CallSucceeded("output", self.cost)

    async def fetch(self, order: CandidateRequest, done: CallSucceeded, work: Path) -> CandidateFile:
        out = work / "fetched.bin"
        out.write_bytes(b"fetched")
        return CandidateFile(out, "application/octet-stream", done.cost)

    async def cancel(self, handle: Handle) -> CancelOutcome:
        return CancelOutcome.ACCEPTED

    async def find_orphan(self, call: Call, beside: Sequence[Call]) -> Handle | None:
        return None


@pytest.fixture
def provider(bench: Bench) -> Hosted:
    found = Hosted()
    offline = Provider(lambda kind: Lane.RENDER, ScriptedMaker())
    bench.rewire(
        providers={"replicate": Provider(lambda kind: Lane.CALL, remote=found), "animatic": offline},
        default_provider="replicate",
    )
    return found


async def requested(bench: Bench, project: str = "p", *, cap: SpendCap | None = None, **overrides: Any) -> Any:
    request = events.regenerate_requested(
        **(
            {
                "asset_kind": AssetKind.IMAGE,
                "overrides": {"directions": "A lighthouse"},
                "asset_id": new_id(),
                "project_settings": ProjectSettings(spend_cap=cap),
            }
            | overrides
        )
    )
    await bench.handle(request, project_id=project)
    return request


async def declare(bench: Bench, **gates: Limits) -> None:
    named = {"replicate": gates.get("account"), MODEL: gates.get("model")}
    await ProviderLimiter(bench.pool).configure({name: of for name, of in named.items() if of})


async def claim(bench: Bench, limit: int = 50) -> list[jobs.Claim]:
    async with transaction(bench.pool) as connection:
        return await jobs.claim(connection, "call", limit, worker="a replica", limits=CallLimits())


async def passes(bench: Bench, seconds: float) -> None:
    """As if time went by."""
    await bench.pool.execute(
        "update provider_limits set next_at = next_at - make_interval(secs => $1), "
        "slow_until = slow_until - make_interval(secs => $1)",
        seconds,
    )
    await bench.pool.execute("update provider_breakers set probe_at = probe_at - make_interval(secs => $1)", seconds)
    await bench.pool.execute("update jobs set run_at = run_at - make_interval(secs => $1)", seconds)


async def test_a_pace_lets_no_more_through_than_it_says_whoever_asks(bench: Bench, provider: Hosted) -> None:
    await declare(bench, account=Limits(per_minute=600))
    for _ in range(30):
        await requested(bench)
    taken = [await claim(bench) for _ in range(4)]  # four replicas, one after the other, at one moment
    assert 10 <= sum(map(len, taken)) <= 12, "a second's worth, and what passed meanwhile"
    await passes(bench, 0.5)
    assert 4 <= len(await claim(bench)) <= 7
    await passes(bench, 3600)
    assert len(await claim(bench)) <= 11, "what was not used is not saved up"


async def test_a_slow_pace_has_no_burst_and_a_job_that_waits_is_not_claimed(bench: Bench, provider: Hosted) -> None:
    await declare(bench, model=Limits(per_minute=6))
    for _ in range(3):
        await requested(bench)
    assert len(await claim(bench)) == 1
    await passes(bench, 9.0)
    assert await claim(bench) == []
    assert await bench.pool.fetchval("select max(attempts) from jobs where token is null") == 0
    await passes(bench, 1.0)
    assert len(await claim(bench)) == 1


async def test_calls_at_once_are_counted_over_all_replicas_and_other_models_go_on(
    bench: Bench, provider: Hosted
) -> None:
    await declare(bench, model=Limits(at_once=2))
    for _ in range(5):
        await requested(bench)
    other = await requested(bench, overrides={"directions": "A boat", "model": "google/nano-banana"})
    both = await asyncio.gather(claim(bench), claim(bench))
    taken = [c.job_id for claims in both for c in claims]
    assert len(taken) == 3 and other.run_id in taken
    async with transaction(bench.pool) as connection:
        await jobs.finish(connection, next(c for claims in both for c in claims if c.job_id != other.run_id))
    assert len(await claim(bench)) == 1


async def test_every_variant_waits_for_a_turn_of_its_own(bench: Bench, provider: Hosted) -> None:
    await declare(bench, account=Limits(per_minute=120))  # two a second
    await requested(bench, variants=3)
    began = asyncio.get_running_loop().time()
    await bench.work()
    assert len(provider.submitted) == 3
    assert asyncio.get_running_loop().time() - began > 0.4, "the third is a second after the first, less the burst"


async def test_a_throttle_holds_everybody_and_costs_nobody_an_attempt(bench: Bench, provider: Hosted) -> None:
    provider.errors = [ProviderThrottled("provider_rate_limited", "slow down", delay_s=30.0)] * 5
    first = await requested(bench)
    await bench.work()
    await requested(bench)
    assert await claim(bench) == [], "another run of another replica waits, too"
    for _ in range(4):  # more often than a run may fail
        await passes(bench, 32)
        [claimed] = await claim(bench, 1)
        await bench.work(claimed)
    await passes(bench, 32)
    [claimed] = await claim(bench, 1)
    await bench.work(claimed)
    assert (await bench.one("preview-ready")).cost.calls == 1
    assert not await bench.published("failed")
    told = [e for e in await bench.published("progress", run_id=first.run_id) if e.message_code == "run.provider_limit"]
    assert told and told[0].message_args["delay_s"] == 30


async def test_a_pace_that_the_provider_reduced_holds_for_a_while(bench: Bench, provider: Hosted) -> None:
    await declare(bench, account=Limits(per_minute=600))
    provider.errors = [ProviderThrottled("provider_rate_limited", "low credit", delay_s=10.0, per_minute=6)]
    for _ in range(4):
        await requested(bench)
    [claimed] = await claim(bench, 1)
    await bench.work(claimed)
    assert await claim(bench) == []
    await passes(bench, 12)
    assert len(await claim(bench)) == 1
    await passes(bench, 400)
    assert len(await claim(bench)) == 3, "the usual pace again"


@pytest.mark.parametrize("pause_s", [60.0, None])
async def test_a_refused_account_is_asked_again_by_one_call_only(
    bench: Bench, provider: Hosted, pause_s: float | None
) -> None:
    provider.errors = [ProviderHalted("provider_credit", "no credit", "Add some.", pause_s=pause_s)] * 2
    for _ in range(3):
        await requested(bench)
    for _ in range(3):
        await bench.work()
    failed = await bench.published("failed")
    assert [(f.problem.code, f.problem.recovery) for f in failed] == [("provider_credit", "Add some.")] * 3
    assert ["No call is sent before" in f.problem.cause for f in failed] == [False] + [pause_s is not None] * 2
    assert provider.tried == 1, "whoever comes later is told what the first one heard"
    await requested(bench)
    await passes(bench, 61)
    if pause_s is None:
        await bench.work()
        assert provider.tried == 1, "time alone heals no token"
        await ProviderLimiter(bench.pool).configure({})  # a service is started again
        return
    await requested(bench)
    await bench.work()
    await bench.work()
    assert provider.tried == 2, "one tried for both, and heard the same"
    await passes(bench, 61)
    await requested(bench)
    await bench.work()
    await requested(bench)
    await bench.work()
    assert len(await bench.published("preview-ready")) == 2


@pytest.mark.parametrize(
    "heard",
    [
        SubmissionUnknown("provider_unsure", "504"),
        ProviderThrottled("provider_rate_limited", "slow down", delay_s=0.0),
        UserError("provider_refused", "422"),
    ],
)
async def test_whatever_the_one_that_asks_again_hears_but_a_refused_account_lets_the_others_go_on(
    bench: Bench, provider: Hosted, heard: RetakeError
) -> None:
    provider.errors = [ProviderHalted("provider_credit", "no credit", "Add some.", pause_s=60.0), heard]
    await requested(bench)
    await bench.work()
    await passes(bench, 61)
    await requested(bench)
    await bench.work()
    other = await requested(bench)
    await passes(bench, 2)
    await bench.run_all()
    await bench.one("preview-ready", run_id=other.run_id)


async def test_a_project_never_reserves_more_than_its_cap_however_many_ask_at_once(
    bench: Bench, provider: Hosted
) -> None:
    provider.open.clear()
    cap = SpendCap(amount="0.10")  # three of 0.03
    for _ in range(8):
        await requested(bench, cap=cap)
    other = await requested(bench, "another project", cap=cap)
    claims = await claim(bench)
    tasks = [asyncio.create_task(bench.work(c)) for c in claims]
    try:
        async with asyncio.timeout(60):
            while len(await bench.published("failed")) < 5 or len(provider.submitted) < 4:
                await asyncio.sleep(0.05)
    finally:
        provider.open.set()
        await asyncio.gather(*tasks)
    failed = await bench.published("failed")
    assert len(failed) == 5 and {f.problem.code for f in failed} == {"spend_cap_reached"}
    assert "raise the spend cap" in failed[0].problem.recovery and "0.09 USD are reserved" in failed[0].problem.cause
    assert {f.cost.calls for f in failed} == {0} and other.run_id in provider.submitted
    assert len(await bench.published("preview-ready")) == 4


async def test_what_a_call_did_not_cost_is_free_again_and_what_it_did_is_spent(bench: Bench, provider: Hosted) -> None:
    cap = SpendCap(amount="0.05", period="total")
    provider.errors = [Permanent("model_failed", "It broke.", "Try another.")]
    await requested(bench, cap=cap)
    await bench.work()
    provider.cost = Cost(amount="0.015", basis="estimated", calls=1)  # half of what was reserved
    await requested(bench, cap=cap)
    await bench.work()
    await requested(bench, cap=cap)
    await bench.work()
    await requested(bench, cap=cap)
    await bench.work()
    codes = [f.problem.code for f in await bench.published("failed")]
    assert codes == ["model_failed", "spend_cap_reached"]
    assert len(provider.submitted) == 2 and "has spent 0.03 USD" in (await bench.published("failed"))[1].problem.cause


async def test_a_month_begins_anew_and_a_total_does_not(bench: Bench, provider: Hosted) -> None:
    await requested(bench, cap=SpendCap(amount="0.05"))
    await bench.work()
    await bench.pool.execute("update provider_calls set intended_at = intended_at - interval '32 days'")
    await requested(bench, cap=SpendCap(amount="0.05", period="total"))
    await bench.work()
    assert (await bench.one("failed")).problem.code == "spend_cap_reached"
    await requested(bench, cap=SpendCap(amount="0.05", period="month"))
    await bench.work()
    assert len(await bench.published("preview-ready")) == 2


async def test_a_cap_in_another_currency_lets_nothing_through(bench: Bench, provider: Hosted) -> None:
    await requested(bench, cap=SpendCap(amount="100", currency="EUR"))
    await bench.work()
    assert (await bench.one("failed")).problem.code == "spend_cap_currency"
    assert provider.tried == 0


async def test_one_projects_thousand_runs_do_not_keep_another_ones_waiting(bench: Bench, provider: Hosted) -> None:
    await declare(bench, account=Limits(per_minute=600))
    await bench.pool.execute("""
        insert into jobs (job_id, kind, fair_key, payload, run_at)
        select gen_random_uuid(), 'call', 'many', '{"limits": ["replicate"]}', now() - interval '1 hour'
        from generate_series(1, 1000)""")
    few = [await requested(bench, "few") for _ in range(3)]
    first = {c.job_id for c in await claim(bench, 6)}
    assert {r.run_id for r in few} <= first, "they came last, and go in turns with the others"
    await bench.pool.execute("analyze jobs")
    plan = await bench.pool.fetch(
        "explain (format text) "
        + jobs._READY.replace("$1", "'call'").replace("$2", "10").replace("$3::text[]", "'{}'::text[]")
    )
    assert not [r[0] for r in plan if "Seq Scan on jobs" in r[0]], "its cost does not grow with the queue"


async def test_a_run_says_which_limit_it_waits_for_and_operators_see_how_many(bench: Bench, provider: Hosted) -> None:
    await declare(bench, account=Limits(per_minute=6), model=Limits(at_once=5))
    runs = [await requested(bench) for _ in range(3)]
    assert len(await claim(bench)) == 1
    limits = AgeLimits(timedelta(hours=1), timedelta(hours=1))
    await bench.sweep(limits)
    await bench.sweep(limits)
    told = [e for e in await bench.published("progress") if e.message_code == "run.waiting_limit"]
    assert [(e.state, e.message_args["limit"]) for e in told] == [("queued", "6 requests a minute (replicate)")] * 2
    assert {e.run_id for e in told} < {r.run_id for r in runs}
    provider.errors = [ProviderThrottled("provider_rate_limited", "later", delay_s=90.0)]
    await passes(bench, 11)
    await bench.work()
    await requested(bench)
    await bench.sweep(limits)
    told = [e for e in await bench.published("progress") if e.message_code == "run.waiting_limit"]
    assert "no requests for the next" in told[-1].message_args["limit"]
    assert REGISTRY.get_sample_value("retake_provider_waiting", {"limit": "replicate"}) == 2
    assert (REGISTRY.get_sample_value("retake_provider_throttled_total", {"provider": "replicate"}) or 0) >= 1
