"""Jobs on PostgreSQL: claimed once, fairly, with a lease; a worker that lost its lease is fenced; no job is lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
import pytest_asyncio
from prometheus_client import REGISTRY

from shared.core.clock import SystemClock
from shared.core.errors import Fenced, Retryable
from shared.core.ids import new_id
from shared.jobs import queue as jobs
from shared.jobs import rounds as rounds_module
from shared.jobs import worker
from shared.jobs.queue import Claim
from shared.jobs.recurring import RecurringJob, recurring, recurring_kinds, schedule
from shared.jobs.rounds import ROUNDS
from shared.jobs.worker import JobHandler, JobKind, Worker
from shared.postgres.pool import Connection, Pool, open_pool, transaction
from shared.postgres.retry import UNAVAILABLE
from tests.support.clock import HurriedClock
from tests.support.waiting import eventually, holds

LEASE_S = 2.0
HEARTBEAT_S = 0.1


class World:
    """A database with the jobs table."""

    def __init__(self, pool: Pool, url: str) -> None:
        self.pool = pool
        self.url = url

    async def enqueue(self, kind: str = "render", **options: Any) -> str:
        job_id = new_id()
        async with transaction(self.pool) as connection:
            assert await jobs.enqueue(connection, job_id, kind, **options)
        return job_id

    async def claim(
        self, limit: int = 1, *, worker: str = "a", kind: str = "render", lease_s: float = 30
    ) -> list[Claim]:
        async with transaction(self.pool) as connection:
            return await jobs.claim(connection, kind, limit, worker=worker, lease_s=lease_s)

    async def finish(self, claim: Claim) -> None:
        async with transaction(self.pool) as connection:
            await jobs.finish(connection, claim)

    async def cancel(self, job_id: str) -> bool:
        async with transaction(self.pool) as connection:
            return await jobs.cancel(connection, job_id)

    async def row(self, job_id: str) -> dict[str, Any] | None:
        found = await self.pool.fetchrow("select * from jobs where job_id = $1", job_id)
        return dict(found) if found else None

    async def count(self) -> int:
        return int(await self.pool.fetchval("select count(*) from jobs"))

    def worker(self, handler: JobHandler, concurrency: int = 2, **options: Any) -> Worker:
        return Worker(
            self.pool,
            self.url,
            {"render": JobKind(handler, concurrency)},
            clock=SystemClock(),
            new_id=new_id,
            **{"lease_s": LEASE_S, "heartbeat_s": HEARTBEAT_S} | options,
        )


@pytest_asyncio.fixture
async def world(fresh_database: Callable[[str], Awaitable[str]]) -> AsyncIterator[World]:
    url = await fresh_database("generator")
    async with open_pool(url, size=8) as pool:
        yield World(pool, url)


def soon(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


class Recorder:
    """A handler that finishes its jobs; with `stuck` it waits until it is stopped."""

    def __init__(self, world: World, *, stuck: bool = False) -> None:
        self.world = world
        self.stuck = stuck
        self.started: list[Claim] = []
        self.stopped: list[str] = []
        self.ended: list[str] = []

    async def __call__(self, claim: Claim) -> None:
        self.started.append(claim)
        try:
            if self.stuck:
                await asyncio.sleep(60)
        except asyncio.CancelledError:
            self.stopped.append(claim.job_id)
            raise
        await self.world.finish(claim)
        self.ended.append(claim.job_id)


async def test_a_job_is_claimed_once_and_deleted_when_finished(world: World) -> None:
    job_id = await world.enqueue(payload={"run_id": "r", "n": 1})
    (claim,) = await world.claim()
    assert (claim.job_id, claim.kind, claim.attempt, claim.payload) == (job_id, "render", 1, {"run_id": "r", "n": 1})
    assert await world.claim(worker="b") == []
    await world.finish(claim)
    assert await world.row(job_id) is None
    with pytest.raises(Fenced):
        await world.finish(claim)


async def test_enqueuing_twice_is_harmless_and_rolling_back_leaves_nothing(world: World) -> None:
    job_id = await world.enqueue(payload={"first": True})
    async with transaction(world.pool) as connection:
        assert not await jobs.enqueue(connection, job_id, "render", payload={"first": False})
    (claim,) = await world.claim(5)
    assert claim.payload == {"first": True}
    with pytest.raises(ZeroDivisionError):
        await _enqueue_and_fail(world)
    assert await world.count() == 1


async def _enqueue_and_fail(world: World) -> None:
    async with transaction(world.pool) as connection:
        await jobs.enqueue(connection, new_id(), "render")
        raise ZeroDivisionError


async def test_concurrent_claims_never_claim_a_job_twice(world: World) -> None:
    enqueued = {await world.enqueue(fair_key=str(i % 3)) for i in range(40)}
    batches = await asyncio.gather(*(world.claim(3, worker=str(i)) for i in range(20)))
    ids = [c.job_id for claims in batches for c in claims]
    assert len(ids) == len(set(ids)) == 40
    assert set(ids) == enqueued


async def test_ready_jobs_of_the_kind_are_claimed_by_priority_then_age(world: World) -> None:
    later = await world.enqueue(run_at=soon(60))
    await world.enqueue(kind="other")
    low = await world.enqueue(priority=5, run_at=soon(-100))
    old = await world.enqueue(run_at=soon(-50))
    new = await world.enqueue(run_at=soon(-10))
    order = [(await world.claim())[0].job_id for _ in range(3)]
    assert order == [old, new, low]
    assert await world.claim() == []
    assert await world.row(later) is not None


@pytest.mark.parametrize("at_once", [1, 4])
async def test_many_jobs_of_one_key_do_not_starve_another_key(world: World, at_once: int) -> None:
    for _ in range(10):
        await world.enqueue(fair_key="many", run_at=soon(-100))
    few = {await world.enqueue(fair_key=key, run_at=soon(-1)) for key in ("few", "fewer")}
    claims = [c for _ in range(4 // at_once) for c in await world.claim(at_once)]
    assert few < {c.job_id for c in claims}
    assert len(claims) == 4


async def test_fairness_counts_running_jobs(world: World) -> None:
    for _ in range(3):
        await world.enqueue(fair_key="many", run_at=soon(-100))
    assert len(await world.claim(2)) == 2
    few = await world.enqueue(fair_key="few")
    assert [c.job_id for c in await world.claim(1)] == [few]


async def test_a_job_whose_lease_expired_is_claimed_again_and_the_stale_worker_is_fenced(world: World) -> None:
    job_id = await world.enqueue()
    (stale,) = await world.claim(lease_s=0.05)
    await asyncio.sleep(0.1)
    (current,) = await world.claim(worker="b")
    assert (current.job_id, current.attempt) == (job_id, 2)
    for attempt in (
        lambda connection: jobs.lock_claim(connection, stale),
        lambda connection: jobs.finish(connection, stale),
        lambda connection: jobs.reschedule(connection, stale, soon(0)),
    ):
        with pytest.raises(Fenced):
            async with transaction(world.pool) as connection:
                await attempt(connection)
    async with transaction(world.pool) as connection:
        await jobs.lock_claim(connection, current)
        await jobs.finish(connection, current)
    assert await world.count() == 0


async def test_the_result_of_a_fenced_worker_is_not_written(world: World) -> None:
    await world.pool.execute("create table results (job_id uuid)")
    job_id = await world.enqueue()
    (stale,) = await world.claim(lease_s=0.05)
    await asyncio.sleep(0.1)
    (current,) = await world.claim(worker="b")

    async def write(claim: Claim) -> None:
        async with transaction(world.pool) as connection:
            await connection.execute("insert into results values ($1)", claim.job_id)
            await jobs.finish(connection, claim)

    results = await asyncio.gather(write(stale), write(current), return_exceptions=True)
    assert [type(result) for result in results] == [Fenced, type(None)]
    assert await world.pool.fetchval("select array_agg(job_id) from results") == [job_id]


async def test_rescheduling_counts_the_attempt_and_may_change_the_payload(world: World) -> None:
    job_id = await world.enqueue(payload={"step": 1})
    (first,) = await world.claim()
    async with transaction(world.pool) as connection:
        await jobs.reschedule(connection, first, soon(0), {"step": 2})
    (second,) = await world.claim()
    assert (second.job_id, second.attempt, second.payload) == (job_id, 2, {"step": 2})
    async with transaction(world.pool) as connection:
        await jobs.reschedule(connection, second, soon(60))
    assert await world.claim() == []
    assert (await world.row(job_id) or {})["payload"] == {"step": 2}


async def test_a_worker_runs_jobs_from_before_and_after_its_start(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "POLL_S", 600)  # woken by notification
    before = await world.enqueue()
    handler = Recorder(world)
    async with world.worker(handler):
        await eventually(lambda: handler.ended == [before])
        after = await world.enqueue()
        await eventually(lambda: handler.ended == [before, after])
    assert await world.count() == 0


async def test_a_worker_respects_its_concurrency_and_loses_no_job(world: World) -> None:
    running = most = 0

    async def handle(claim: Claim) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.02)
        running -= 1
        await world.finish(claim)

    for _ in range(20):
        await world.enqueue()
    async with world.worker(handle, concurrency=3):
        await eventually(lambda: _empty(world))
    assert most == 3


async def _empty(world: World) -> bool:
    return await world.count() == 0


async def test_a_long_job_keeps_its_lease(world: World) -> None:
    await world.enqueue()
    handler = Recorder(world, stuck=True)
    async with world.worker(handler):
        await eventually(lambda: handler.started)
        await holds(lambda: _nothing_to_claim(world), during=LEASE_S * 1.5, every=0.1)
        assert len(handler.started) == 1


async def _nothing_to_claim(world: World) -> bool:
    return await world.claim(worker="thief") == []


async def test_cancelling_stops_the_task_immediately(world: World) -> None:
    job_id = await world.enqueue()
    other = await world.enqueue()
    handler = Recorder(world, stuck=True)
    async with world.worker(handler, lease_s=900, heartbeat_s=300):  # a notification stops it, not a heartbeat
        await eventually(lambda: len(handler.started) == 2)
        assert await world.cancel(job_id)
        await eventually(lambda: handler.stopped == [job_id])
        assert not await world.cancel(job_id)
        assert await world.row(job_id) is None
        assert await world.row(other) is not None
    assert [c.job_id for c in handler.started].count(job_id) == 1


async def test_cancelling_while_notifications_are_lost_stops_it_with_the_next_heartbeat(world: World) -> None:
    job_id = await world.enqueue()
    handler = Recorder(world, stuck=True)
    async with world.worker(handler):
        await eventually(lambda: handler.started)
        await world.pool.execute("delete from jobs where job_id = $1", job_id)
        await eventually(lambda: handler.stopped == [job_id])


async def test_a_stopped_worker_returns_its_jobs_immediately_without_counting_the_attempt(world: World) -> None:
    job_id = await world.enqueue()
    handler = Recorder(world, stuck=True)
    async with world.worker(handler):
        await eventually(lambda: handler.started)
    assert handler.stopped == [job_id]
    row = await world.row(job_id)
    assert row is not None
    assert (row["token"], row["lease_until"], row["attempts"]) == (None, None, 0)
    (claim,) = await world.claim()
    assert claim.attempt == 1


async def test_a_stopping_worker_lets_jobs_end_in_time_begins_none_and_gives_the_others_back(world: World) -> None:
    may_end = asyncio.Event()
    begun: list[str] = []

    async def handler(claim: Claim) -> None:
        begun.append(claim.job_id)
        if claim.job_id == stuck:
            await asyncio.sleep(60)
        await may_end.wait()
        await world.finish(claim)

    ends, stuck = await world.enqueue(), await world.enqueue()
    worker = world.worker(handler, lease_s=1.0, finish_s=3.0)
    await worker.__aenter__()
    await eventually(lambda: len(begun) == 2)
    stopping = asyncio.create_task(worker.__aexit__())
    await asyncio.sleep(1.5)  # longer than a lease without heartbeats
    waiting = await world.enqueue()
    may_end.set()
    await stopping
    assert await world.row(ends) is None, "it ended"
    for job_id in (stuck, waiting):
        row = await world.row(job_id)
        assert row is not None
        assert (row["attempts"], row["worker"]) == (0, None), "to be claimed by the next"
    assert waiting not in begun


async def test_jobs_claimed_while_the_worker_stops_are_returned_too(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = await world.enqueue()
    claimed = asyncio.Event()

    @asynccontextmanager
    async def stopped_after_commit(pool: Pool) -> AsyncIterator[Any]:
        async with transaction(pool) as connection:
            yield connection
        if not claimed.is_set():
            claimed.set()
            await asyncio.sleep(60)  # the worker is stopped here

    monkeypatch.setattr(worker, "transaction", stopped_after_commit)
    handler = Recorder(world)
    async with world.worker(handler):
        await claimed.wait()
        monkeypatch.setattr(worker, "transaction", transaction)
    assert handler.started == []
    row = await world.row(job_id)
    assert row is not None
    assert (row["token"], row["attempts"]) == (None, 0)


async def test_a_worker_paused_past_its_lease_is_fenced_and_the_job_ends_once(world: World) -> None:
    """Two workers; the first one's heartbeat fails for a while, as if its process had been paused."""
    await world.enqueue()
    first, second = Recorder(world, stuck=True), Recorder(world)
    async with world.worker(first) as paused:
        await eventually(lambda: first.started)
        beat = next(t for t in paused._loops if t.get_name() == "jobs-heartbeat")
        beat.cancel()
        serve = next(t for t in paused._loops if t.get_name() == "jobs-render")
        serve.cancel()
        async with world.worker(second):
            await eventually(lambda: second.ended)
            assert second.started[0].attempt == 2
            with pytest.raises(Fenced):
                await world.finish(first.started[0])
    assert await world.count() == 0


async def test_a_worker_stops_a_job_that_another_one_owns(world: World) -> None:
    job_id = await world.enqueue()
    handler = Recorder(world, stuck=True)
    async with world.worker(handler):
        await eventually(lambda: handler.started)
        await world.pool.execute(
            "update jobs set token = gen_random_uuid(), worker = 'thief', lease_until = now() + interval '1 minute'"
        )
        await eventually(lambda: handler.stopped == [job_id])
    assert (await world.row(job_id) or {})["token"] is not None, "the other worker keeps it"


async def test_a_job_whose_handler_crashed_is_claimed_again_after_the_lease(world: World) -> None:
    await world.enqueue()
    attempts: list[int] = []

    async def handle(claim: Claim) -> None:
        attempts.append(claim.attempt)
        if claim.attempt < 3:
            raise ZeroDivisionError("a bug")
        await world.finish(claim)

    async with world.worker(handle):
        await eventually(lambda: _empty(world))
    assert attempts == [1, 2, 3]


async def test_a_worker_survives_the_loss_of_its_connections(world: World) -> None:
    handler = Recorder(world)
    async with world.worker(handler):
        await eventually(lambda: _listening(world))
        await world.pool.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where datname = current_database() and pid <> pg_backend_pid()"
        )
        made = [await _enqueued(world) for _ in range(3)]
        await eventually(lambda: set(handler.ended) >= set(made))
        await eventually(lambda: _listening(world))


async def _enqueued(world: World) -> str:
    return await eventually(lambda: _try_to_enqueue(world))


async def _try_to_enqueue(world: World) -> str:
    try:
        return await world.enqueue()
    except UNAVAILABLE:
        return ""


async def _listening(world: World) -> bool:
    return bool(
        await world.pool.fetchval(
            "select count(*) from pg_stat_activity where datname = current_database() and query ilike 'listen%'"
        )
    )


async def test_a_job_with_run_at_waits_until_then(world: World) -> None:
    handler = Recorder(world)
    async with world.worker(handler):
        await world.enqueue(run_at=(due := soon(0.5)))
        await eventually(lambda: handler.started)
        assert datetime.now(UTC) >= due


async def test_a_recurring_job_runs_in_one_worker_at_a_time_and_again_after_a_failure(world: World) -> None:
    running = overlaps = runs = 0

    async def work() -> None:
        nonlocal running, overlaps, runs
        running, runs = running + 1, runs + 1
        overlaps += running > 1
        await asyncio.sleep(0.02)
        running -= 1
        if runs == 2:
            raise Retryable("object_store_unavailable", "The store is unavailable.")

    job = RecurringJob("tidy", timedelta(milliseconds=20), work)
    for _ in range(2):  # every replica schedules it at start
        async with transaction(world.pool) as connection:
            await schedule(connection, [job])
    assert await world.count() == 1
    kinds = recurring_kinds([job], world.pool, SystemClock())

    def replica() -> Worker:
        return Worker(world.pool, world.url, kinds, clock=SystemClock(), new_id=new_id, lease_s=LEASE_S)

    async with replica(), replica():
        await eventually(lambda: runs >= 4)
    assert (overlaps, await world.count()) == (0, 1)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A round counts as dead after half a second of failures."""
    monkeypatch.setattr(rounds_module, "DEAD_AFTER_S", 0.5)


async def test_a_read_only_database_ends_no_loop_and_readiness_tells_of_it(world: World, impatient: None) -> None:
    done: list[str] = []
    database = urlsplit(world.url).path.removeprefix("/")

    async def sweep() -> None:
        async with transaction(world.pool) as connection:
            await jobs.enqueue(connection, new_id(), "swept", run_at=datetime.now(UTC))
        done.append("")

    async def read_only(on: str) -> None:
        admin = await asyncpg.connect(world.url)
        try:
            await admin.execute("set default_transaction_read_only = off")
            await admin.execute(f"alter database {database} set default_transaction_read_only = {on}")
        finally:
            await admin.close()
        await world.pool.expire_connections()

    async def nothing(claim: Claim) -> None:
        return None

    kinds = {"k": JobKind(nothing, concurrency=1)}
    async with (
        recurring(sweep, name="test-sweep", every_s=0.05, clock=SystemClock(), at_once=True),
        Worker(world.pool, world.url, kinds, clock=SystemClock(), new_id=new_id),
    ):
        await eventually(lambda: len(done) > 2, what="the sweep to work")
        assert ROUNDS.problem() is None
        await read_only("on")
        await eventually(
            lambda: "test-sweep has failed" in (ROUNDS.problem() or ""), what="readiness to tell of the sweep"
        )
        await read_only("off")
        before = len(done)
        await eventually(lambda: len(done) > before + 2, what="the sweep to work again")
        assert ROUNDS.problem() is None
    last = REGISTRY.get_sample_value("retake_recurring_last_success_timestamp_seconds", {"name": "test-sweep"})
    assert last and time.time() - last < 30


async def test_a_loop_survives_a_bug_in_its_limits_and_tells_of_it(world: World, impatient: None) -> None:
    class Broken:
        is_fixed = False

        async def available(self, connection: Connection, kind: str) -> Mapping[str, int]:
            if not self.is_fixed:
                raise TypeError("a bug")
            return {}

        async def consume(self, connection: Connection, jobs: Mapping[str, int]) -> None:
            return None

    limits, ran = Broken(), list[str]()

    async def run(claim: Claim) -> None:
        ran.append(claim.job_id)
        async with transaction(world.pool) as connection:
            await jobs.finish(connection, claim)

    job_id = await world.enqueue("k")
    kinds = {"k": JobKind(run, concurrency=1, limits=limits)}
    async with Worker(world.pool, world.url, kinds, clock=HurriedClock(), new_id=new_id):
        await eventually(lambda: "jobs-k has failed" in (ROUNDS.problem() or ""))
        limits.is_fixed = True
        await eventually(lambda: ran == [job_id])
        assert ROUNDS.problem() is None
