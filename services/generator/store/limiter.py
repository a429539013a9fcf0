"""What providers let through, in PostgreSQL: one pace, one count of calls and one breaker for all replicas.

The pace is a date per gate (the generic cell rate algorithm): every request moves it by 60 s / per_minute, and what
passes may be ahead of it by a second, so that a fast pace is not served drop by drop. Time is the database's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import structlog

from services.generator.commands.ports import Order
from services.generator.metrics import THROTTLED
from services.generator.providers.base import Halted, Paused, Throttled
from shared.contracts.catalogue import Limits, limit_name
from shared.core.errors import Retryable
from shared.postgres.pool import Connection, Pool, transaction
from shared.postgres.retry import UNAVAILABLE

log = structlog.get_logger(__name__)

SLOW_FOR_S: Final = 300.0  # how long a slower pace holds that the provider asked for

_PACED: Final = """
    select gate, at_once, next_at, case when slow_until > now() then least(slow_per_minute, per_minute)
                                        else per_minute end as pace from provider_limits
"""
_ROOM: Final = f"""
    with held as (
        select gate, count(*) as jobs from jobs, jsonb_array_elements_text(payload->'limits') as named(gate)
        where kind = $1 and token is not null and lease_until >= now() group by gate
    ), paced as (
        select *, 60 / pace as every_s, extract(epoch from next_at - now())::float as ahead_s,
               greatest(0, 1 - 60 / coalesce(pace, 1e9)) as burst_s
        from ({_PACED}) p
    )
    select gate, pace, ahead_s, paced.at_once, coalesce(held.jobs, 0) as held, least(
        paced.at_once - coalesce(held.jobs, 0),
        case when ahead_s > burst_s then 0
             when pace is not null then 1 + floor((burst_s - greatest(ahead_s, 0)) / every_s) end) as free
    from paced left join held using (gate)
"""
_PASSED: Final = f"""
    update provider_limits l
    set next_at = greatest(l.next_at, now()) + make_interval(secs => coalesce(60 / p.pace, 0) * through.times)
    from ({_PACED}) p, unnest($1::text[], $2::integer[]) as through(gate, times)
    where l.gate = p.gate and l.gate = through.gate
    returning greatest(0, extract(epoch from l.next_at - now()) - coalesce(60 / p.pace, 0)
                          - greatest(0, 1 - 60 / coalesce(p.pace, 1e9)))::float as wait_s
"""
_DECLARE: Final = """
    insert into provider_limits (gate, per_minute, at_once) select * from unnest($1::text[], $2::float[], $3::integer[])
    on conflict (gate) do update set per_minute = excluded.per_minute, at_once = excluded.at_once
"""
_THROTTLE: Final = """
    insert into provider_limits as l (gate, next_at, slow_per_minute, slow_until)
    values ($1, now() + make_interval(secs => $2), $3, case when $3::float is not null
                                                            then now() + make_interval(secs => $4) end)
    on conflict (gate) do update set next_at = greatest(l.next_at, excluded.next_at + interval '1 second'),
        slow_per_minute = coalesce(excluded.slow_per_minute, l.slow_per_minute),
        slow_until = coalesce(excluded.slow_until, l.slow_until)
"""
_HALT: Final = """
    insert into provider_breakers (provider, problem, pause_s, probe_at)
    values ($1, $2, $3, now() + make_interval(secs => $3))
    on conflict (provider) do update set problem = excluded.problem, pause_s = excluded.pause_s,
                                         probe_at = excluded.probe_at
"""
_PROBE: Final = """
    update provider_breakers set probe_at = now() + make_interval(secs => pause_s)
    where provider = $1 and probe_at <= now() returning 1
"""


class PostgresGates:
    """Implements `shared.jobs.queue.JobLimits`."""

    async def available(self, connection: Connection, kind: str) -> Mapping[str, int]:
        return {r["gate"]: r["free"] for r in await connection.fetch(_ROOM, kind) if r["free"] is not None}

    async def consume(self, connection: Connection, jobs: Mapping[str, int]) -> None:
        await connection.execute(_PASSED, list(jobs), list(jobs.values()))


async def closed_gates(connection: Connection, kind: str) -> dict[str, str]:
    """The gates that let nothing through now, with the reason as a run tells it."""
    rows = await connection.fetch(_ROOM, kind)
    return {r["gate"]: _in_words(r) for r in rows if r["free"] is not None and r["free"] <= 0}


def _in_words(row: Any) -> str:
    if row["at_once"] is not None and row["held"] >= row["at_once"]:
        return f"{row['at_once']} at once ({row['gate']})"
    if row["pace"] is not None and row["ahead_s"] <= 2 * 60 / row["pace"] + 1:
        return f"{row['pace']:g} requests a minute ({row['gate']})"
    return f"no requests for the next {math.ceil(row['ahead_s'])} s, as {row['gate']} asked"


class PostgresTurnstile:
    """Implements `Turnstile`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def declare(self, gates: Mapping[str, Limits]) -> None:
        """At the start: the limits of the catalogue. A token or the credit may have been changed since."""
        async with transaction(self._pool) as connection:
            await connection.execute(
                "update provider_limits set per_minute = null, at_once = null where gate <> all($1)", list(gates)
            )
            await connection.execute(
                _DECLARE, list(gates), [g.per_minute for g in gates.values()], [g.at_once for g in gates.values()]
            )
            await connection.execute("delete from provider_breakers")

    async def enter(self, order: Order) -> float:
        provider = order.model.provider
        try:
            async with transaction(self._pool) as connection:
                await _check(connection, provider)
                if await connection.fetchval(
                    "select 1 from provider_calls where run_id = $1 and attempt = $2", order.run_id, order.attempt
                ):
                    rows = await connection.fetch(_PASSED, [provider, limit_name(order.model)], [1, 1])
                    return max([0.0, *(float(r["wait_s"]) for r in rows)])
                return 0.0  # its claim passed the gates for it
        except UNAVAILABLE as e:
            raise Retryable("database_unavailable", f"The database is away: {e!r}") from e

    async def throttled(self, provider: str, error: Throttled) -> None:
        THROTTLED.labels(provider).inc()
        log.warning("provider.throttled", provider=provider, delay_s=error.delay_s, per_minute=error.per_minute)
        await self._write(_THROTTLE, provider, error.delay_s, error.per_minute, SLOW_FOR_S)

    async def heard(self, provider: str) -> None:
        await self._write("delete from provider_breakers where provider = $1", provider)

    async def halted(self, provider: str, error: Halted) -> None:
        log.error("provider.halted", provider=provider, code=error.code, pause_s=error.pause_s)
        problem = {"code": error.code, "cause": error.cause, "recovery": error.recovery}
        await self._write(_HALT, provider, problem, error.pause_s)

    async def _write(self, statement: str, *args: Any) -> None:
        try:
            async with transaction(self._pool) as connection:
                await connection.execute(statement, *args)
        except UNAVAILABLE as e:
            raise Retryable("database_unavailable", f"The database is away: {e!r}") from e


async def _check(connection: Connection, provider: str) -> None:
    row = await connection.fetchrow("select problem, probe_at from provider_breakers where provider = $1", provider)
    if row and not await connection.fetchval(_PROBE, provider):
        problem, again = row["problem"], row["probe_at"]
        until = f" It is not asked again before {again:%H:%M:%S} UTC." if again else ""
        raise Paused(problem["code"], f"{problem['cause']}{until}", problem["recovery"])
