"""Jobs on PostgreSQL: claimed once, fairly, with a lease; the one who lost it is fenced out; nothing is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from shared.core.clock import SystemClock
from shared.core.errors import Fenced
from shared.core.ids import new_id
from shared.jobs import queue as jobs
from shared.jobs.queue import Claim
from shared.jobs.worker import JobHandler, JobKind, Worker
from shared.postgres.pool import Pool, open_pool, transaction
from shared.postgres.retry import UNAVAILABLE
from tests.support.waiting import eventually, holds

LEASE_S = 2.0
HEARTBEAT_S = 0.1


class World:
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
    """A handler that finishes its jobs; `stuck` ones wait until they are stopped."""

    def __init__(self, world: World, *, stuck: bool = False) -> None:
        self.world = world
        self.stuck = stuck
        self.began: list[Claim] = []
        self.stopped: list[str] = []
        self.ended: list[str] = []

    async def __call__(self, claim: Claim) -> None:
        self.began.append(claim)
        try:
            if self.stuck:
                await asyncio.sleep(60)
        except asyncio.CancelledError:
            self.stopped.append(claim.job_id)
            raise
        await self.world.finish(claim)
        self.ended.append(claim.job_id)


# -- claims ------------------------------------------------------------------------------------------------------


async def test_a_job_is_claimed_once_and_gone_when_finished(world: World) -> None:
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


async def test_many_claim_at_once_and_no_job_goes_twice(world: World) -> None:
    made = {await world.enqueue(fair_key=str(i % 3)) for i in range(40)}
    taken = await asyncio.gather(*(world.claim(3, worker=str(i)) for i in range(20)))
    ids = [c.job_id for claims in taken for c in claims]
    assert len(ids) == len(set(ids)) == 40
    assert set(ids) == made


async def test_only_ready_jobs_of_the_kind_go_by_priority_then_age(world: World) -> None:
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
async def test_one_keys_many_jobs_do_not_starve_another_ones(world: World, at_once: int) -> None:
    for _ in range(10):
        await world.enqueue(fair_key="many", run_at=soon(-100))
    few = {await world.enqueue(fair_key=key, run_at=soon(-1)) for key in ("few", "fewer")}
    claims = [c for _ in range(4 // at_once) for c in await world.claim(at_once)]
    assert few < {c.job_id for c in claims}
    assert len(claims) == 4


async def test_fairness_counts_what_is_in_hand(world: World) -> None:
    for _ in range(3):
        await world.enqueue(fair_key="many", run_at=soon(-100))
    assert len(await world.claim(2)) == 2
    few = await world.enqueue(fair_key="few")
    assert [c.job_id for c in await world.claim(1)] == [few]


# -- leases and fences ----------------------------------------------------------------------------------------------


async def test_a_job_whose_lease_ran_out_is_taken_over_and_the_stale_worker_is_fenced(world: World) -> None:
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


async def test_a_result_that_is_fenced_out_is_not_written(world: World) -> None:
    await world.pool.execute("create table results (job_id uuid)")
    job_id = await world.enqueue()
    (stale,) = await world.claim(lease_s=0.05)
    await asyncio.sleep(0.1)
    (current,) = await world.claim(worker="b")

    async def write(claim: Claim) -> None:
        async with transaction(world.pool) as connection:
            await connection.execute("insert into results values ($1)", claim.job_id)
            await jobs.finish(connection, claim)

    said = await asyncio.gather(write(stale), write(current), return_exceptions=True)
    assert [type(s) for s in said] == [Fenced, type(None)]
    assert await world.pool.fetchval("select array_agg(job_id) from results") == [job_id]


async def test_giving_back_keeps_the_attempt_and_may_change_the_payload(world: World) -> None:
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


# -- the worker -------------------------------------------------------------------------------------------------------


async def test_a_worker_runs_what_is_there_and_what_comes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "POLL_S", 600)  # a notification wakes it, not the poll
    before = await world.enqueue()
    handler = Recorder(world)
    async with world.worker(handler):
        await eventually(lambda: handler.ended == [before])
        after = await world.enqueue()
        await eventually(lambda: handler.ended == [before, after])
    assert await world.count() == 0


async def test_a_worker_keeps_to_its_concurrency_and_never_loses_a_job(world: World) -> None:
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
        await eventually(lambda: handler.began)
        await holds(lambda: _nothing_to_claim(world), during=LEASE_S * 1.5, every=0.1)
        assert len(handler.began) == 1


async def _nothing_to_claim(world: World) -> bool:
    return await world.claim(worker="thief") == []


async def test_cancelling_stops_the_task_at_once(world: World) -> None:
    job_id = await world.enqueue()
    other = await world.enqueue()
    handler = Recorder(world, stuck=True)
    async with world.worker(handler, lease_s=900, heartbeat_s=300):  # a notification stops it, not a heartbeat
        await eventually(lambda: len(handler.began) == 2)
        assert await world.cancel(job_id)
        await eventually(lambda: handler.stopped == [job_id])
        assert not await world.cancel(job_id)
        assert await world.row(job_id) is None
        assert await world.row(other) is not None
    assert [c.job_id for c in handler.began].count(job_id) == 1


async def test_cancelling_while_notifications_are_lost_stops_it_with_the_next_heartbeat(world: World) -> None:
    job_id = await world.enqueue()
    handler = Recorder(world, stuck=True)
    async with world.worker(handler):
        await eventually(lambda: handler.began)
        await world.pool.execute("delete from jobs where job_id = $1", job_id)
        await eventually(lambda: handler.stopped == [job_id])


async def test_a_stopped_worker_gives_its_jobs_back_at_once_and_no_attempt_is_lost(world: World) -> None:
    job_id = await world.enqueue()
    handler = Recorder(world, stuck=True)
    async with world.worker(handler):
        await eventually(lambda: handler.began)
    assert handler.stopped == [job_id]
    row = await world.row(job_id)
    assert row is not None
    assert (row["token"], row["lease_until"], row["attempts"]) == (None, None, 0)
    (claim,) = await world.claim()
    assert claim.attempt == 1


async def test_what_was_claimed_while_the_worker_stopped_is_given_back_too(
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

    monkeypatch.setattr(jobs, "transaction", stopped_after_commit)
    handler = Recorder(world)
    async with world.worker(handler):
        await claimed.wait()
        monkeypatch.setattr(jobs, "transaction", transaction)
    assert handler.began == []
    row = await world.row(job_id)
    assert row is not None
    assert (row["token"], row["attempts"]) == (None, 0)


async def test_a_worker_that_was_paused_past_its_lease_is_fenced_and_the_job_ends_once(world: World) -> None:
    """Two workers; the first one's heartbeat fails for a while, as if its process had been paused."""
    await world.enqueue()
    first, second = Recorder(world, stuck=True), Recorder(world)
    async with world.worker(first) as paused:
        await eventually(lambda: first.began)
        beat = next(t for t in paused._loops if t.get_name() == "jobs-heartbeat")
        beat.cancel()
        serve = next(t for t in paused._loops if t.get_name() == "jobs-render")
        serve.cancel()
        async with world.worker(second):
            await eventually(lambda: second.ended)
            assert second.began[0].attempt == 2
            with pytest.raises(Fenced):
                await world.finish(first.began[0])
    assert await world.count() == 0


async def test_a_worker_that_finds_its_job_stolen_stops_it(world: World) -> None:
    job_id = await world.enqueue()
    handler = Recorder(world, stuck=True)
    async with world.worker(handler):
        await eventually(lambda: handler.began)
        await world.pool.execute(
            "update jobs set token = gen_random_uuid(), worker = 'thief', lease_until = now() + interval '1 minute'"
        )
        await eventually(lambda: handler.stopped == [job_id])
    assert (await world.row(job_id) or {})["token"] is not None, "it is not ours to give back"


async def test_a_handler_that_crashes_is_tried_again_after_the_lease(world: World) -> None:
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


async def test_a_worker_outlives_the_loss_of_its_connections(world: World) -> None:
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


async def test_a_job_for_later_runs_then(world: World) -> None:
    handler = Recorder(world)
    async with world.worker(handler):
        await world.enqueue(run_at=(due := soon(0.5)))
        await eventually(lambda: handler.began)
        assert datetime.now(UTC) >= due
