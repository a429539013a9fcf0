"""What the sweep looks for, in PostgreSQL."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from services.generator.commands.ports import Pressure
from services.generator.domain.runs import Lane, Run
from services.generator.providers.base import ABANDON
from services.generator.store.limiter import closed_gates
from services.generator.store.rows import RUN, run_of
from services.generator.store.runs import PostgresRuns
from shared.jobs import queue as jobs

_JOBLESS: Final = f"""
    select {RUN}, lane from runs r
    where state in ('queued', 'generating') and updated_at < $1
      and not exists (select 1 from jobs j where j.job_id = r.run_id)
    order by created_at limit $2 for update skip locked
"""
_OVERDUE: Final = f"""
    select {RUN} from runs
    where state in ('queued', 'generating')
      and case state when 'queued' then created_at < $1 else started_at < $2 end
    order by created_at limit $3 for update skip locked
"""
_ABANDONED: Final = """
    select c.call_id from provider_calls c join runs r using (run_id)
    where c.state in ('intended', 'submitted') and r.state not in ('queued', 'generating')
      and not exists (select 1 from jobs j where j.job_id = c.call_id)
    limit $1
"""
_HOLD_BACK: Final = f"""
    update runs r set rev = rev + 1, step = 'waiting_for_limit', updated_at = $2
    from (
        select q.run_id, j.payload->'limits' as limits from jobs j join runs q on q.run_id = j.job_id
        where j.kind = 'call' and j.token is null and j.run_at <= now() and j.payload->'limits' ?| $1::text[]
          and q.state = 'queued' and q.step = 'queued'
        order by j.run_at limit $3 for update of q skip locked
    ) waiting
    where r.run_id = waiting.run_id
    returning waiting.limits, {", ".join(f"r.{name.strip()}" for name in RUN.split(","))}
"""
_BEHIND: Final = """
    select gate, count(*) as waiting from jobs, jsonb_array_elements_text(payload->'limits') as named(gate)
    where kind = 'call' and token is null and run_at <= now() and gate = any($1::text[]) group by gate
"""
_CENSUS: Final = """
    select state, count(*) as runs, min(created_at) as oldest from runs
    where state in ('queued', 'generating', 'preview_ready') group by state
"""


class PostgresSweeps(PostgresRuns):
    """Implements `Sweeps`."""

    async def jobless(self, before: datetime, limit: int) -> list[tuple[Run, Lane]]:
        rows = await self._db.fetch(_JOBLESS, before, limit)
        return [(run_of(r), Lane(r["lane"])) for r in rows]

    async def overdue(self, queued_before: datetime, generating_before: datetime, limit: int) -> list[Run]:
        return [run_of(r) for r in await self._db.fetch(_OVERDUE, queued_before, generating_before, limit)]

    async def abandon_calls(self, limit: int) -> int:
        rows = await self._db.fetch(_ABANDONED, limit)
        for r in rows:
            await jobs.enqueue(self._db, r["call_id"], ABANDON)
        return len(rows)

    async def hold_back(self, now: datetime, limit: int) -> list[tuple[Run, str]]:
        closed = await closed_gates(self._db, Lane.CALL)
        rows = await self._db.fetch(_HOLD_BACK, list(closed), now, limit) if closed else []
        return [(run_of(r), next(closed[gate] for gate in r["limits"] if gate in closed)) for r in rows]

    async def pressure(self) -> Pressure:
        closed = await closed_gates(self._db, Lane.CALL)
        behind = await self._db.fetch(_BEHIND, list(closed)) if closed else []
        broken = await self._db.fetch("select provider, problem->>'code' as code from provider_breakers")
        return Pressure({r["gate"]: r["waiting"] for r in behind}, {r["provider"]: r["code"] for r in broken})

    async def census(self) -> tuple[dict[str, int], datetime | None]:
        rows = await self._db.fetch(_CENSUS)
        oldest = next((r["oldest"] for r in rows if r["state"] == "queued"), None)
        return {r["state"]: r["runs"] for r in rows}, oldest
