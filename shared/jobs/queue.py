"""Jobs: long work as rows in PostgreSQL, claimed with a lease, fenced by a token, resumed after a crash.

A job is enqueued in the transaction that makes it necessary and finished in the transaction that writes its result;
`hold` in any other transaction of the job proves that this worker still owns it. A crash shows as a lease that ran
out: the job is claimed again with a new token and `attempts` raised.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

import asyncpg
import structlog
from prometheus_client import Gauge, Histogram

from shared.core.clock import Clock
from shared.core.errors import Fenced
from shared.core.ids import NewId
from shared.postgres.pool import ACQUIRE_TIMEOUT_S, UNAVAILABLE, Connection, Listener, Pool, transaction

log = structlog.get_logger(__name__)

LEASE_S: Final = 12.0  # a killed worker's job goes on within this
HEARTBEAT_S: Final = 3.0
POLL_S: Final = 1.0

_TROUBLE: Final = (*UNAVAILABLE, asyncpg.PostgresError)
"""Nothing that PostgreSQL says (read-only after a failover, disk full) may end a loop that keeps the leases."""

RUNNING = Gauge("retake_jobs_running", "Jobs in hand", ["kind"])
TOOK = Histogram(
    "retake_job_seconds",
    "Time in hand",
    ["kind", "outcome"],
    buckets=(0.05, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800),
)


@dataclass(frozen=True)
class Claim:
    """A job in hand. `attempt` counts from 1 and survives crashes."""

    job_id: str
    kind: str
    token: str
    attempt: int
    payload: dict[str, Any]


async def enqueue(
    connection: Connection,
    job_id: str,
    kind: str,
    *,
    payload: Mapping[str, Any] | None = None,
    fair_key: str = "",
    priority: int = 0,
    run_at: datetime | None = None,
) -> bool:
    """False if the job is already there: enqueuing twice is harmless."""
    row = await connection.fetchval(
        """insert into jobs (job_id, kind, payload, fair_key, priority, run_at)
           values ($1, $2, $3, $4, $5, coalesce($6, now())) on conflict do nothing returning 1""",
        job_id,
        kind,
        dict(payload or {}),
        fair_key,
        priority,
        run_at,
    )
    if row:
        await connection.execute("select pg_notify('jobs', $1)", kind)
    return bool(row)


async def hold(connection: Connection, claim: Claim) -> None:
    """In the caller's transaction: raises Fenced unless this worker still owns the job. Locks the job's row."""
    if not await connection.fetchval(
        "select 1 from jobs where job_id = $1 and token = $2 for update", claim.job_id, claim.token
    ):
        raise Fenced(claim.job_id)


async def finish(connection: Connection, claim: Claim) -> None:
    """In the transaction that writes the result; raises Fenced instead of letting a stale result in."""
    if not await connection.fetchval(
        "delete from jobs where job_id = $1 and token = $2 returning 1", claim.job_id, claim.token
    ):
        raise Fenced(claim.job_id)


async def again(
    connection: Connection,
    claim: Claim,
    run_at: datetime,
    payload: Mapping[str, Any] | None = None,
    *,
    counted: bool = True,
) -> None:
    """Gives the job back, to be claimed from `run_at` on. Not counted: as if it had not been claimed."""
    if not await connection.fetchval(
        """update jobs set token = null, worker = null, lease_until = null, run_at = $3,
                  payload = coalesce($4, payload), attempts = attempts - case when $5 then 0 else 1 end
           where job_id = $1 and token = $2 returning 1""",
        claim.job_id,
        claim.token,
        run_at,
        None if payload is None else dict(payload),
        counted,
    ):
        raise Fenced(claim.job_id)


async def cancel(connection: Connection, job_id: str) -> bool:
    """Removes the job, claimed or not; whoever has it in hand is stopped at once and fenced out."""
    gone = await connection.fetchval("delete from jobs where job_id = $1 returning 1", job_id)
    if gone:
        await connection.execute("select pg_notify('jobs_cancelled', $1)", job_id)
    return bool(gone)


_ANY: Final = """
    select exists (select from jobs where kind = $1 and run_at <= now() and (token is null or lease_until < now()))
"""
_ONE_AT_A_TIME: Final = "select pg_advisory_xact_lock(hashtext('jobs'), hashtext($1))"
_READY: Final = """
    with recursive keys as (  -- one look into the index per key, however many jobs it has
        (select fair_key from jobs where kind = $1 and token is null order by fair_key limit 1)
        union all
        select (select j.fair_key from jobs j where j.kind = $1 and j.token is null and j.fair_key > keys.fair_key
                order by j.fair_key limit 1)
        from keys where keys.fair_key is not null
    ), ready as (
        select first.* from keys cross join lateral (
            select job_id, fair_key, priority, run_at, payload from jobs
            where kind = $1 and token is null and fair_key = keys.fair_key and run_at <= now()
              and not coalesce(payload->'gates' ?| $3::text[], false)
            order by priority, run_at, job_id limit $2
        ) first
        union all
        select job_id, fair_key, priority, run_at, payload from jobs
        where kind = $1 and token is not null and lease_until < now() and run_at <= now()
          and not coalesce(payload->'gates' ?| $3::text[], false)
    ), held as (
        select fair_key, count(*) as jobs from jobs
        where kind = $1 and token is not null and lease_until >= now() group by fair_key
    ), ranked as (
        -- A job's turn: how many its key has in hand, and how many of its key are before it in the queue.
        select ready.*, coalesce(held.jobs, 0) + row_number() over (
                   partition by priority, fair_key order by run_at, job_id) as turn
        from ready left join held using (fair_key)
    )
    select job_id, payload->'gates' as gates from ranked order by priority, turn, run_at, job_id limit $2
"""
_TAKE: Final = """
    update jobs set token = gen_random_uuid(), worker = $2, attempts = attempts + 1,
                    lease_until = now() + make_interval(secs => $3)
    where job_id = any($1::uuid[]) and (token is null or lease_until < now())
    returning job_id, kind, token, attempts, payload
"""
_BEAT: Final = """
    update jobs set lease_until = now() + make_interval(secs => $3)
    from unnest($1::uuid[], $2::uuid[]) as mine(job_id, token)
    where jobs.job_id = mine.job_id and jobs.token = mine.token returning jobs.job_id
"""
_RELEASE: Final = """
    update jobs set token = null, worker = null, lease_until = null, attempts = attempts - 1
    where worker = $1 and token is not null
"""


class Gates(Protocol):
    """Limits that a kind's jobs share, by name; a job names the gates that it passes in `payload["gates"]`."""

    async def free(self, connection: Connection, kind: str) -> Mapping[str, int]:
        """How many jobs each gate lets through now; one that is not named lets all through."""
        ...

    async def passed(self, connection: Connection, jobs: Mapping[str, int]) -> None:
        """So many were just let through each, in the same transaction."""
        ...


async def claim(
    connection: Connection, kind: str, limit: int, *, worker: str, lease_s: float = LEASE_S, gates: Gates | None = None
) -> list[Claim]:
    """Takes up to `limit` ready jobs; the fair key with the fewest jobs in hand goes first.

    Claims of a kind go one after the other, so that what they count (jobs in hand, room behind a gate) is exact.
    """
    await connection.execute(_ONE_AT_A_TIME, kind)
    free = dict(await gates.free(connection, kind)) if gates else {}
    closed = [name for name, room in free.items() if room <= 0]
    ready = await connection.fetch(_READY, kind, limit, closed)
    chosen, through = _let_through([(r["job_id"], r["gates"] or []) for r in ready], free)
    if not chosen:
        return []
    rows = await connection.fetch(_TAKE, chosen, worker, lease_s)
    if gates:
        await gates.passed(connection, through)
    return [Claim(r["job_id"], r["kind"], r["token"], r["attempts"], r["payload"]) for r in rows]


def _let_through(ready: Iterable[tuple[str, list[str]]], free: dict[str, int]) -> tuple[list[str], dict[str, int]]:
    """The jobs that every one of their gates has room for, in order, and how many pass each gate."""
    chosen, through = list[str](), dict[str, int]()
    for job_id, names in ready:
        if all(through.get(name, 0) < free[name] for name in names if name in free):
            chosen.append(job_id)
            for name in names:
                through[name] = through.get(name, 0) + 1
    return chosen, through


JobHandler = Callable[[Claim], Awaitable[None]]
"""Does the work and ends the job (finish, again or cancel). An exception that it lets out is a bug: the job is
left to its lease and tried again, so the handler must bound its attempts (`claim.attempt`)."""


@dataclass(frozen=True)
class Kind:
    handler: JobHandler
    concurrency: int
    gates: Gates | None = None


class Worker:
    """Claims and runs jobs until closed. Closing stops those in hand and gives them back, with no attempt lost."""

    def __init__(
        self,
        pool: Pool,
        database_url: str,
        kinds: Mapping[str, Kind],
        *,
        clock: Clock,
        new_id: NewId,
        lease_s: float = LEASE_S,
        heartbeat_s: float = HEARTBEAT_S,
    ) -> None:
        self._pool = pool
        self._kinds = kinds
        self._clock = clock
        self._lease_s = lease_s
        self._heartbeat_s = heartbeat_s
        self._name = f"{socket.gethostname()}:{os.getpid()}:{new_id()[-6:]}"
        self._wake = {kind: asyncio.Event() for kind in kinds}
        self._listener = Listener(database_url, self._notified, "jobs", "jobs_cancelled")
        self._in_hand: dict[str, tuple[Claim, asyncio.Task[None]]] = {}
        self._loops: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Worker:
        await self._listener.__aenter__()
        self._loops = [asyncio.create_task(self._serve(kind), name=f"jobs-{kind}") for kind in self._kinds]
        self._loops.append(asyncio.create_task(self._beat(), name="jobs-heartbeat"))
        return self

    async def __aexit__(self, *exc: object) -> None:
        await _stop(self._loops)
        await _stop(task for _, task in list(self._in_hand.values()))
        with suppress(*_TROUBLE):
            async with transaction(self._pool) as connection:  # by name: also what was being claimed just now
                await connection.execute(_RELEASE, self._name)
        await self._listener.__aexit__()

    def _notified(self, channel: str, payload: str) -> None:
        if channel == "jobs_cancelled":
            self._stop_job(payload)
        elif payload in self._wake:
            self._wake[payload].set()
        elif not payload:
            for event in self._wake.values():
                event.set()

    def _stop_job(self, job_id: str) -> None:
        if found := self._in_hand.get(job_id):
            found[1].cancel()

    async def _serve(self, kind: str) -> None:
        free = asyncio.Semaphore(self._kinds[kind].concurrency)
        while True:
            self._wake[kind].clear()
            await free.acquire()
            free.release()
            claims = await self._claim(kind, self._free_slots(kind))
            for held in claims:
                await free.acquire()
                task = asyncio.create_task(self._run(held), name=f"job-{kind}-{held.job_id}")
                self._in_hand[held.job_id] = (held, task)
                task.add_done_callback(lambda t, held=held: self._done(held, t, free))  # type: ignore[misc]
            if not claims:
                with suppress(TimeoutError):  # not wait_for: before Python 3.12 it can swallow a cancellation
                    async with asyncio.timeout(POLL_S):
                        await self._wake[kind].wait()

    def _free_slots(self, kind: str) -> int:
        return self._kinds[kind].concurrency - sum(1 for held, _ in self._in_hand.values() if held.kind == kind)

    def _done(self, held: Claim, task: asyncio.Task[None], free: asyncio.Semaphore) -> None:
        if (current := self._in_hand.get(held.job_id)) and current[1] is task:
            del self._in_hand[held.job_id]
        free.release()
        self._wake[held.kind].set()

    async def _claim(self, kind: str, slots: int) -> list[Claim]:
        if slots <= 0:
            return []
        try:
            if not await self._any(kind):
                return []
            async with transaction(self._pool) as connection:
                claims = await claim(
                    connection, kind, slots, worker=self._name, lease_s=self._lease_s, gates=self._kinds[kind].gates
                )
        except _TROUBLE as e:
            log.warning("jobs.claim_failed", kind=kind, error=repr(e))
            await self._clock.sleep(POLL_S)
            return []
        for held in claims:  # a lease of ours that ran out while we were paused: the old task must not go on
            self._stop_job(held.job_id)
        return claims

    async def _any(self, kind: str) -> bool:
        """Nearly always there is nothing: one round trip then, instead of a transaction under the lock of all claims.
        What is enqueued after this look wakes us."""
        async with self._pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection:
            return bool(await connection.fetchval(_ANY, kind))

    async def _run(self, held: Claim) -> None:
        began = self._clock.monotonic()
        outcome = "done"
        RUNNING.labels(held.kind).inc()
        try:
            await self._kinds[held.kind].handler(held)
        except asyncio.CancelledError:
            outcome = "stopped"
            raise
        except Fenced:
            outcome = "fenced"
            log.warning("job.fenced", kind=held.kind, job_id=held.job_id)
        except Exception:
            outcome = "crashed"
            log.exception("job.crashed", kind=held.kind, job_id=held.job_id, attempt=held.attempt)
        finally:
            RUNNING.labels(held.kind).dec()
            TOOK.labels(held.kind, outcome).observe(self._clock.monotonic() - began)

    async def _beat(self) -> None:
        """Extends the leases in hand in one statement; a job that is no longer ours is stopped."""
        while True:
            await self._clock.sleep(self._heartbeat_s)
            held = [c for c, _ in self._in_hand.values()]
            if not held:
                continue
            try:
                async with transaction(self._pool) as connection:
                    rows = await connection.fetch(
                        _BEAT, [c.job_id for c in held], [c.token for c in held], self._lease_s
                    )
            except _TROUBLE as e:
                log.warning("jobs.heartbeat_failed", error=repr(e))
                continue
            ours = {r["job_id"] for r in rows}
            for c in held:
                current = self._in_hand.get(c.job_id)
                if c.job_id not in ours and current and current[0] is c:
                    log.warning("job.lease_lost", kind=c.kind, job_id=c.job_id)
                    current[1].cancel()


async def _stop(tasks: Iterable[asyncio.Task[None]]) -> None:
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
