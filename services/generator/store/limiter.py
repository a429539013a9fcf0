"""Rate limits, concurrency limits and circuit breakers of providers, shared by all replicas.

A rate limit is a timestamp (the generic cell rate algorithm): a request moves it by 60 s / per_minute, and a request
is admitted up to a second ahead of it, so that fast rates allow small bursts. Time is the database's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import structlog

from services.generator import metrics
from services.generator.providers.base import CandidateRequest, ProviderHalted, ProviderPaused, ProviderThrottled
from shared.contracts.catalogue import Limits, limit_name
from shared.postgres.pool import Connection, Pool, transaction
from shared.postgres.retry import retryable_transaction

log = structlog.get_logger(__name__)

SLOW_FOR_S: Final = 300.0  # how long a slower rate applies that the provider has imposed

_PACED: Final = """
    select name, at_once, next_at, case when slow_until > now() then least(slow_per_minute, per_minute)
                                        else per_minute end as pace from provider_limits
"""
_ROOM: Final = f"""
    with running as (
        select name, count(*) as jobs from jobs, jsonb_array_elements_text(payload->'limits') as limits(name)
        where kind = $1 and token is not null and lease_until >= now() group by name
    ), paced as (
        select *, 60 / pace as every_s, extract(epoch from next_at - now())::float as ahead_s,
               greatest(0, 1 - 60 / coalesce(pace, 1e9)) as burst_s
        from ({_PACED}) p
    )
    select name, pace, ahead_s, paced.at_once, coalesce(running.jobs, 0) as running, least(
        paced.at_once - coalesce(running.jobs, 0),
        case when ahead_s > burst_s then 0
             when pace is not null then 1 + floor((burst_s - greatest(ahead_s, 0)) / every_s) end) as free
    from paced left join running using (name)
"""
_CONSUME: Final = f"""
    update provider_limits l
    set next_at = greatest(l.next_at, now()) + make_interval(secs => coalesce(60 / p.pace, 0) * admitted.times)
    from ({_PACED}) p, unnest($1::text[], $2::integer[]) as admitted(name, times)
    where l.name = p.name and l.name = admitted.name
    returning greatest(0, extract(epoch from l.next_at - now()) - coalesce(60 / p.pace, 0)
                          - greatest(0, 1 - 60 / coalesce(p.pace, 1e9)))::float as wait_s
"""
_SET_LIMITS: Final = """
    insert into provider_limits (name, per_minute, at_once) select * from unnest($1::text[], $2::float[], $3::integer[])
    on conflict (name) do update set per_minute = excluded.per_minute, at_once = excluded.at_once
"""
_THROTTLE: Final = """
    insert into provider_limits as l (name, next_at, slow_per_minute, slow_until)
    values ($1, now() + make_interval(secs => $2), $3, case when $3::float is not null
                                                            then now() + make_interval(secs => $4) end)
    on conflict (name) do update set next_at = greatest(l.next_at, excluded.next_at + interval '1 second'),
        slow_per_minute = coalesce(excluded.slow_per_minute, l.slow_per_minute),
        slow_until = coalesce(excluded.slow_until, l.slow_until)
"""
_OPEN_BREAKER: Final = """
    insert into provider_breakers (provider, problem, pause_s, probe_at)
    values ($1, $2, $3, now() + make_interval(secs => $3))
    on conflict (provider) do update set problem = excluded.problem, pause_s = excluded.pause_s,
                                         probe_at = excluded.probe_at
"""
_PROBE: Final = """
    update provider_breakers set probe_at = now() + make_interval(secs => pause_s)
    where provider = $1 and probe_at <= now() returning 1
"""


class CallLimits:
    """Implements `shared.jobs.queue.JobLimits`: a claim admits no more calls than every limit allows."""

    async def available(self, connection: Connection, kind: str) -> Mapping[str, int]:
        return {r["name"]: r["free"] for r in await connection.fetch(_ROOM, kind) if r["free"] is not None}

    async def consume(self, connection: Connection, jobs: Mapping[str, int]) -> None:
        await connection.execute(_CONSUME, list(jobs), list(jobs.values()))


async def exhausted_limits(connection: Connection, kind: str) -> dict[str, str]:
    """The limits that admit no job now, with a description for users."""
    rows = await connection.fetch(_ROOM, kind)
    return {r["name"]: _description(r) for r in rows if r["free"] is not None and r["free"] <= 0}


def _description(row: Any) -> str:
    if row["at_once"] is not None and row["running"] >= row["at_once"]:
        return f"{row['at_once']} at once ({row['name']})"
    if row["pace"] is not None and row["ahead_s"] <= 2 * 60 / row["pace"] + 1:
        return f"{row['pace']:g} requests a minute ({row['name']})"
    return f"no requests for the next {math.ceil(row['ahead_s'])} s, as {row['name']} requested"


class ProviderLimiter:
    """Admits calls. The limits of an attempt's first call were consumed when its job was claimed (`CallLimits`); this
    class checks the circuit breaker, and the limits of every further call of the attempt."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def configure(self, limits: Mapping[str, Limits]) -> None:
        """At the start: sets the limits of the catalogue and closes every breaker, as the token or the credit may have
        changed."""
        async with transaction(self._pool) as connection:
            await connection.execute(
                "update provider_limits set per_minute = null, at_once = null where name <> all($1)", list(limits)
            )
            await connection.execute(
                _SET_LIMITS, list(limits), [g.per_minute for g in limits.values()], [g.at_once for g in limits.values()]
            )
            await connection.execute("delete from provider_breakers")

    async def admit(self, request: CandidateRequest) -> float:
        """Seconds until the call may be sent. Raises ProviderPaused while the circuit breaker is open."""
        provider = request.model.provider
        async with retryable_transaction(self._pool) as connection:
            await _check_breaker(connection, provider)
            if await connection.fetchval(
                "select 1 from provider_calls where run_id = $1 and attempt = $2", request.run_id, request.attempt
            ):
                rows = await connection.fetch(_CONSUME, [provider, limit_name(request.model)], [1, 1])
                return max([0.0, *(float(r["wait_s"]) for r in rows)])
            return 0.0  # the claim of its job consumed the limits

    async def record_throttle(self, provider: str, error: ProviderThrottled) -> None:
        """No replica sends a request to the provider before the delay that it has imposed."""
        metrics.THROTTLED.labels(provider).inc()
        log.warning("provider.throttled", provider=provider, delay_s=error.delay_s, per_minute=error.per_minute)
        await self._write(_THROTTLE, provider, error.delay_s, error.per_minute, SLOW_FOR_S)

    async def close_breaker(self, provider: str) -> None:
        """A call ended for its own reasons, so the account is not known to be refused any longer."""
        await self._write("delete from provider_breakers where provider = $1", provider)

    async def open_breaker(self, provider: str, error: ProviderHalted) -> None:
        """No call is sent until the pause is over; then one call probes for all."""
        log.error("provider.halted", provider=provider, code=error.code, pause_s=error.pause_s)
        problem = {"code": error.code, "cause": error.cause, "recovery": error.recovery}
        await self._write(_OPEN_BREAKER, provider, problem, error.pause_s)

    async def _write(self, statement: str, *args: Any) -> None:
        async with retryable_transaction(self._pool) as connection:
            await connection.execute(statement, *args)


async def _check_breaker(connection: Connection, provider: str) -> None:
    row = await connection.fetchrow("select problem, probe_at from provider_breakers where provider = $1", provider)
    if row and not await connection.fetchval(_PROBE, provider):
        problem, probe_at = row["problem"], row["probe_at"]
        until = f" No call is sent before {probe_at:%H:%M:%S} UTC." if probe_at else ""
        raise ProviderPaused(problem["code"], f"{problem['cause']}{until}", problem["recovery"])
