"""What the sweep of runs looks for. Rows that another replica has locked are left for the next sweep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Final

from services.generator.domain.calls import CANCEL_ORPHAN
from services.generator.domain.runs import Lane, Run
from services.generator.store.limiter import exhausted_limits
from services.generator.store.rows import RUN, run_of
from services.generator.store.runs import RunRepository
from shared.jobs import queue as jobs

_WITHOUT_JOB: Final = f"""
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
_ORPHANS: Final = """
    select c.call_id from provider_calls c join runs r using (run_id)
    where c.state in ('intended', 'submitted') and r.state not in ('queued', 'generating')
      and not exists (select 1 from jobs j where j.job_id = c.call_id)
    union all
    select c.call_id from provider_calls c
    where c.charge_unknown and c.intended_at > $1 and c.handle is not null
      and not exists (select 1 from jobs j where j.job_id = c.call_id)
    limit $2
"""
_UNKNOWN: Final = """
    select provider, model, currency, sum(reserved) as at_most from provider_calls where charge_unknown
    group by provider, model, currency
"""
_MARK_WAITING: Final = f"""
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
_WAITING: Final = """
    select name, count(*) as waiting from jobs, jsonb_array_elements_text(payload->'limits') as limits(name)
    where kind = 'call' and token is null and run_at <= now() and name = any($1::text[]) group by name
"""
_ACTIVE: Final = """
    select state, count(*) as runs, min(created_at) as oldest from runs
    where state in ('queued', 'generating', 'preview_ready') group by state
"""


@dataclass(frozen=True)
class LimiterStatus:
    """`waiting`: the number of runs that wait, by limit; `halted`: the providers that refuse every call, and why."""

    waiting: Mapping[str, int] = field(default_factory=dict)
    halted: Mapping[str, str] = field(default_factory=dict)


class RunSweepRepository(RunRepository):
    """Bound to one transaction."""

    async def without_job(self, before: datetime, limit: int) -> list[tuple[Run, Lane]]:
        """Working runs, unchanged since `before`, that have no job."""
        rows = await self._db.fetch(_WITHOUT_JOB, before, limit)
        return [(run_of(r), Lane(r["lane"])) for r in rows]

    async def overdue(self, queued_before: datetime, generating_before: datetime, limit: int) -> list[Run]:
        """Runs that were queued or started before these times."""
        return [run_of(r) for r in await self._db.fetch(_OVERDUE, queued_before, generating_before, limit)]

    async def cancel_orphans(self, asked_since: datetime, limit: int) -> int:
        """Enqueues the cancellation of open calls whose run has ended, and the question what is charged for those that
        were sent since then and did not finish. Returns their number."""
        rows = await self._db.fetch(_ORPHANS, asked_since, limit)
        for r in rows:
            await jobs.enqueue(self._db, r["call_id"], CANCEL_ORPHAN)
        return len(rows)

    async def mark_waiting_for_limit(self, now: datetime, limit: int) -> list[tuple[Run, str]]:
        """Queued runs that began to wait for a provider's limit, with a description of it."""
        exhausted = await exhausted_limits(self._db, Lane.CALL)
        rows = await self._db.fetch(_MARK_WAITING, list(exhausted), now, limit) if exhausted else []
        return [(run_of(r), next(exhausted[name] for name in r["limits"] if name in exhausted)) for r in rows]

    async def limiter_status(self) -> LimiterStatus:
        exhausted = await exhausted_limits(self._db, Lane.CALL)
        waiting = await self._db.fetch(_WAITING, list(exhausted)) if exhausted else []
        halted = await self._db.fetch("select provider, problem->>'code' as code from provider_breakers")
        return LimiterStatus({r["name"]: r["waiting"] for r in waiting}, {r["provider"]: r["code"] for r in halted})

    async def unknown_charges(self) -> dict[tuple[str, str, str], Decimal]:
        """What calls by provider, model and currency may be charged for that their providers do not tell."""
        return {(r["provider"], r["model"], r["currency"]): r["at_most"] for r in await self._db.fetch(_UNKNOWN)}

    async def count_active(self) -> tuple[dict[str, int], datetime | None]:
        """The number of active runs by state, and since when the oldest queued one has waited."""
        rows = await self._db.fetch(_ACTIVE)
        oldest = next((r["oldest"] for r in rows if r["state"] == "queued"), None)
        return {r["state"]: r["runs"] for r in rows}, oldest
