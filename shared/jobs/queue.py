"""The job queue: rows in PostgreSQL, claimed with a lease, fenced by a token, resumed after a crash.

A job is enqueued in the transaction that makes it necessary and finished in the transaction that writes its result.
Any other transaction of a job calls `lock_claim` to prove that its worker still owns the job. After a crash the lease
expires: the job is claimed again with a new token, and its `attempts` rises by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from shared.core.errors import Fenced
from shared.postgres.pool import Connection

LEASE_S: Final = 12.0  # the longest time until another worker resumes the job of a killed one


@dataclass(frozen=True)
class Claim:
    """A job that one worker owns until its lease ends. `attempt` counts from 1 and survives crashes."""

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
    """Adds a job and wakes the workers; returns False if the id is already in the queue. Enqueuing twice is harmless.

    Of jobs that are due (`run_at`, default now) the lowest `priority` is claimed first, and within it the `fair_key`
    with the fewest running jobs. `payload["limits"]` names the limits that the job counts against (see `JobLimits`).
    """
    inserted = await connection.fetchval(
        """insert into jobs (job_id, kind, payload, fair_key, priority, run_at)
           values ($1, $2, $3, $4, $5, coalesce($6, now())) on conflict do nothing returning 1""",
        job_id,
        kind,
        dict(payload or {}),
        fair_key,
        priority,
        run_at,
    )
    if inserted:
        await connection.execute("select pg_notify('jobs', $1)", kind)
    return bool(inserted)


async def lock_claim(connection: Connection, claim: Claim) -> None:
    """Locks the job's row in the caller's transaction; raises Fenced unless this worker still owns the job."""
    if not await connection.fetchval(
        "select 1 from jobs where job_id = $1 and token = $2 for update", claim.job_id, claim.token
    ):
        raise Fenced(claim.job_id)


async def finish(connection: Connection, claim: Claim) -> None:
    """Deletes the job in the transaction that writes its result; raises Fenced if another worker owns it by now."""
    if not await connection.fetchval(
        "delete from jobs where job_id = $1 and token = $2 returning 1", claim.job_id, claim.token
    ):
        raise Fenced(claim.job_id)


async def reschedule(
    connection: Connection,
    claim: Claim,
    run_at: datetime,
    payload: Mapping[str, Any] | None = None,
    *,
    counted: bool = True,
) -> None:
    """Returns the job to the queue, to be claimed at `run_at` or later; raises Fenced if another worker owns it by now.

    `payload` replaces the job's payload. With `counted=False` this attempt is not counted.
    """
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
    """Deletes the job, claimed or not; returns False if there is none. A worker that runs it is stopped and fenced."""
    deleted = await connection.fetchval("delete from jobs where job_id = $1 returning 1", job_id)
    if deleted:
        await connection.execute("select pg_notify('jobs_cancelled', $1)", job_id)
    return bool(deleted)


# In the order of an index, which `exists` would forget: no plan looks through the table.
_ANY: Final = """
    select coalesce(
        (select true from jobs where kind = $1 and token is null and run_at <= now()
         order by kind, priority, run_at limit 1),
        (select true from jobs where kind = $1 and token is not null and lease_until < now() and run_at <= now()
         order by lease_until limit 1),
        false)
"""
_ONE_AT_A_TIME: Final = "select pg_advisory_xact_lock(hashtext('jobs'), hashtext($1))"
_BEAT: Final = """
    update jobs set lease_until = now() + make_interval(secs => $3)
    from unnest($1::uuid[], $2::uuid[]) as mine(job_id, token)
    where jobs.job_id = mine.job_id and jobs.token = mine.token returning jobs.job_id
"""
_RELEASE: Final = """
    update jobs set token = null, worker = null, lease_until = null, attempts = attempts - 1
    where worker = $1 and token is not null
"""
_READY: Final = """
    with recursive keys as (  -- one index lookup per key, however many jobs it has
        (select fair_key from jobs where kind = $1 and token is null order by fair_key limit 1)
        union all
        select (select j.fair_key from jobs j where j.kind = $1 and j.token is null and j.fair_key > keys.fair_key
                order by j.fair_key limit 1)
        from keys where keys.fair_key is not null
    ), ready as (
        select first.* from keys cross join lateral (
            select job_id, fair_key, priority, run_at, payload from jobs
            where kind = $1 and token is null and fair_key = keys.fair_key and run_at <= now()
              and not coalesce(payload->'limits' ?| $3::text[], false)
            order by priority, run_at, job_id limit $2
        ) first
        union all
        select job_id, fair_key, priority, run_at, payload from jobs
        where kind = $1 and token is not null and lease_until < now() and run_at <= now()
          and not coalesce(payload->'limits' ?| $3::text[], false)
    ), running as (
        select fair_key, count(*) as jobs from jobs
        where kind = $1 and token is not null and lease_until >= now() group by fair_key
    ), ranked as (
        -- A job's turn: the running jobs of its key plus its place among the waiting jobs of its key.
        select ready.*, coalesce(running.jobs, 0) + row_number() over (
                   partition by priority, fair_key order by run_at, job_id) as turn
        from ready left join running using (fair_key)
    )
    select job_id, payload->'limits' as limits from ranked order by priority, turn, run_at, job_id limit $2
"""
_TAKE: Final = """
    update jobs set token = gen_random_uuid(), worker = $2, attempts = attempts + 1,
                    lease_until = now() + make_interval(secs => $3)
    where job_id = any($1::uuid[]) and (token is null or lease_until < now())
    returning job_id, kind, token, attempts, payload
"""


class JobLimits(Protocol):
    """Limits that jobs of a kind share, by name; `payload["limits"]` of a job names those that it counts against."""

    async def available(self, connection: Connection, kind: str) -> Mapping[str, int]:
        """How many more jobs each limit admits now; a limit that is missing here admits any number."""
        ...

    async def consume(self, connection: Connection, jobs: Mapping[str, int]) -> None:
        """Records how many jobs were just admitted under each limit, in the transaction that claims them."""
        ...


async def claim(
    connection: Connection,
    kind: str,
    limit: int,
    *,
    worker: str,
    lease_s: float = LEASE_S,
    limits: JobLimits | None = None,
) -> list[Claim]:
    """Claims up to `limit` ready jobs; the fair key with the fewest running jobs goes first.

    An advisory lock serializes the claims of a kind, so that running jobs and room under a limit are counted exactly.
    """
    await connection.execute(_ONE_AT_A_TIME, kind)
    available = dict(await limits.available(connection, kind)) if limits else {}
    exhausted = [name for name, room in available.items() if room <= 0]
    ready = await connection.fetch(_READY, kind, limit, exhausted)
    admitted, consumed = _admit([(r["job_id"], r["limits"] or []) for r in ready], available)
    if not admitted:
        return []
    rows = await connection.fetch(_TAKE, admitted, worker, lease_s)
    if limits:
        await limits.consume(connection, consumed)
    return [Claim(r["job_id"], r["kind"], r["token"], r["attempts"], r["payload"]) for r in rows]


async def has_ready(connection: Connection, kind: str) -> bool:
    """Whether a claim of this kind could find a job: one round trip without a lock."""
    return bool(await connection.fetchval(_ANY, kind))


async def extend_leases(connection: Connection, claims: Iterable[Claim], lease_s: float = LEASE_S) -> set[str]:
    """The heartbeat, in one statement. Returns the ids of the jobs that are still owned by these claims."""
    claims = list(claims)
    rows = await connection.fetch(_BEAT, [c.job_id for c in claims], [c.token for c in claims], lease_s)
    return {r["job_id"] for r in rows}


async def release_all(connection: Connection, worker: str) -> None:
    """Returns every job of a worker to the queue, without counting the attempt."""
    await connection.execute(_RELEASE, worker)


def _admit(ready: Iterable[tuple[str, list[str]]], available: Mapping[str, int]) -> tuple[list[str], dict[str, int]]:
    """The jobs that all of their limits have room for, in order, and how many jobs count against each limit."""
    admitted, consumed = list[str](), dict[str, int]()
    for job_id, names in ready:
        if all(consumed.get(name, 0) < available[name] for name in names if name in available):
            admitted.append(job_id)
            for name in names:
                consumed[name] = consumed.get(name, 0) + 1
    return admitted, consumed
