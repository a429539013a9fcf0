"""Runs, versions, calls and imports as their own events tell of them, after a restore of the generator's database
alone. What is there already stays: a run that is further than its event is not changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID, uuid5

from services.generator.domain.runs import Lane
from services.generator.domain.states import WORKING, RunState
from services.generator.store.rows import RUN, run_of, states
from services.generator.store.runs import RunRepository
from shared.contracts.events.generator import ImportReady, PreviewReady
from shared.contracts.values import Cost
from shared.jobs import queue as jobs
from shared.postgres.pool import Connection

_IDS: Final = UUID("5b0d6a0c-0b8f-4f0e-9a37-5d3f0f6f2a11")  # of calls: by run and the provider's id

_RUN: Final = """
    select r.state, r.lane, r.provider, r.model, r.asset_id, r.project_id, a.commit_seq
    from runs r join assets a using (asset_id) where r.run_id = $1 for update of r, a
"""
_VERSIONS: Final = """
    with made as (
        insert into versions (version_id, asset_id, run_id, version_number, status, facts, created_at)
        select (v.facts->>'version_id')::uuid, $2, $1, (v.facts->>'version_number')::integer, 'candidate', v.facts, $4
        from unnest($3::jsonb[]) as v(facts)
        on conflict (version_id) do nothing
    )
    update assets a set last_version_number = greatest(last_version_number, (
        select max((v.facts->>'version_number')::integer) from unnest($3::jsonb[]) as v(facts)))
    where a.asset_id = $2
"""
_OFFER: Final = "update versions set status = 'candidate' where version_id = any($1::uuid[]) and status <> 'accepted'"
_CANDIDATES: Final = """
    insert into candidates (run_id, position, version_id, problem)
    select $1, place - 1, c.version_id, c.problem
    from unnest($2::uuid[], $3::jsonb[]) with ordinality as c(version_id, problem, place)
    on conflict do nothing
"""
_PREVIEW_READY: Final = """
    update runs r set state = 'preview_ready', token = null, step = 'waiting', percent = 100, updated_at = $3,
                      base_commit_seq = a.commit_seq, started_at = coalesce(r.started_at, $3)
    from assets a where r.run_id = $1 and r.state = any($2) and a.asset_id = r.asset_id
"""
_WORK: Final = f"select {RUN}, lane from runs where run_id = $1"
_LEVEL: Final = "update runs set rev = greatest(rev, $2) where run_id = $1"
_COST: Final = """
    update runs set spent = $2, spent_currency = $3, spent_estimated = $4, calls = $5, unknown_calls = $6,
                    unknown_at_most = $7, unknown_reason = case when $6 > 0 then 'cost.untold' end
    where run_id = $1
"""
# What the events tell of a run's cost is a total. It counts on one row, so that the project's spend cap knows of it.
_SETTLE_CALLS: Final = """
    update provider_calls set amount = coalesce(amount, 0), charge_unknown = false
    where run_id = $1 and (amount is null or charge_unknown)
"""
_KNOWN_COST: Final = "select coalesce(sum(amount), 0) from provider_calls where run_id = $1 and call_id <> $2"
_TOTAL: Final = """
    insert into provider_calls (call_id, run_id, position, attempt, provider, model, state, amount, currency, estimated,
                                intended_at, ended_at, project_id, reserved)
    select $2, run_id, 0, attempt, provider, coalesce(model, ''), 'succeeded', $3, $4, $5, $6, $6, project_id, 0
    from runs where run_id = $1
    on conflict (call_id) do update set amount = excluded.amount
"""
_PAID_CALLS: Final = """
    update provider_calls set state = 'succeeded', ended_at = $2
    where run_id = $1 and state in ('intended', 'submitted')
"""
_OLDER_CALLS: Final = """
    update provider_calls set state = 'failed', ended_at = $3, charge_unknown = amount is null and reserved > 0
    where run_id = $1 and position = $2 and state in ('intended', 'submitted') and call_id <> $4
"""
_OPEN_CALL: Final = """
    insert into provider_calls (call_id, run_id, position, attempt, provider, model, state, handle, intended_at,
                                submitted_at, project_id, reserved, currency)
    select $2, run_id, $3, $6, provider, coalesce(model, ''), 'submitted', $4, $5, $5, project_id, 0, 'USD'
    from runs where run_id = $1 on conflict do nothing
"""
_NAME_CALL: Final = """
    update provider_calls set state = 'submitted', handle = $3, submitted_at = $4, attempt = $5, request = null
    where run_id = $1 and position = $2 and state = 'intended' and handle is null returning 1
"""
_RESUMED: Final = """
    update provider_calls set attempt = $3 where run_id = $1 and handle->>'id' = $2 returning 1
"""
_HAS_OPEN_CALL: Final = """
    select exists (select from provider_calls
                   where run_id = $1 and attempt = $2 and state in ('intended', 'submitted'))
"""
_IMPORT_READY: Final = """
    update imports set state = 'ready', rev = greatest(rev + 1, $2), token = null, ended_at = $3, updated_at = $3
    where import_id = $1 and state in ('queued', 'splitting') returning 1
"""
_CLIPS: Final = """
    insert into import_clips (import_id, number, facts)
    select $1, (c.facts->>'number')::integer, c.facts from unnest($2::jsonb[]) as c(facts) on conflict do nothing
"""


@dataclass(frozen=True)
class KnownRun:
    """A run's row, locked with its asset."""

    state: RunState
    lane: Lane
    provider: str
    asset_id: str
    commit_seq: int


class Recollections:
    """Bound to one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    async def run(self, run_id: str) -> KnownRun | None:
        row = await self._db.fetchrow(_RUN, run_id)
        if row is None:
            return None
        return KnownRun(RunState(row["state"]), Lane(row["lane"]), row["provider"], row["asset_id"], row["commit_seq"])

    async def offer(self, preview: PreviewReady, at: datetime) -> None:
        """The run's candidates are stored and wait for a decision; its work is over."""
        facts = [version.model_dump(mode="json") for version in preview.candidates]
        ids: list[str | None] = [version.version_id for version in preview.candidates]
        lost = [problem.model_dump(mode="json") for problem in preview.problems]
        await self._db.execute(_VERSIONS, preview.run_id, preview.asset_id, facts, at)
        await self._db.execute(_OFFER, ids)
        await self._db.execute(_CANDIDATES, preview.run_id, ids + [None] * len(lost), [None] * len(ids) + lost)
        await self._db.execute(_PREVIEW_READY, preview.run_id, states(WORKING), at)
        await self._db.execute(_PAID_CALLS, preview.run_id, at)
        await jobs.cancel(self._db, preview.run_id)

    async def level(self, run_id: str, rev: int) -> None:
        """The run's next event has a higher number than those that the others have seen."""
        await self._db.execute(_LEVEL, run_id, rev)

    async def settle_cost(self, run_id: str, cost: Cost, at: datetime) -> None:
        unknown = cost.unknown
        total, call_id = Decimal(cost.amount), str(uuid5(_IDS, run_id))
        estimated = cost.basis == "estimated"
        await self._db.execute(
            _COST,
            run_id,
            total,
            cost.currency,
            estimated,
            cost.calls,
            unknown.calls if unknown else 0,
            Decimal(unknown.at_most) if unknown else Decimal(0),
        )
        await self._db.execute(_SETTLE_CALLS, run_id)
        missing = total - await self._db.fetchval(_KNOWN_COST, run_id, call_id)
        if missing > 0:
            await self._db.execute(_TOTAL, run_id, call_id, missing, cost.currency, estimated, at)

    async def follow_call(self, run_id: str, position: int, provider_ref: str, attempt: int, at: datetime) -> None:
        """A call at the provider that is under way, as far as anybody knows, in this attempt. An earlier one of the
        same candidate is over: there is one at a time."""
        if await self._db.fetchval(_RESUMED, run_id, provider_ref, attempt):
            return
        handle = {"id": provider_ref}
        if await self._db.fetchval(_NAME_CALL, run_id, position, handle, at, attempt):
            return
        call_id = str(uuid5(_IDS, f"{run_id} {provider_ref}"))
        await self._db.execute(_OLDER_CALLS, run_id, position, at, call_id)
        await self._db.execute(_OPEN_CALL, run_id, call_id, position, handle, at, attempt)

    async def has_open_call(self, run_id: str, attempt: int) -> bool:
        """Whether a call is known that this attempt made or resumed."""
        return bool(await self._db.fetchval(_HAS_OPEN_CALL, run_id, attempt))

    async def enqueue(self, runs: RunRepository, run_id: str) -> None:
        """The run's work is queued, unless it is in a queue."""
        row = await self._db.fetchrow(_WORK, run_id)
        if row is not None:
            await runs.enqueue(run_of(row), Lane(row["lane"]))

    async def import_ready(self, ready: ImportReady, rev: int, at: datetime) -> None:
        facts = [clip.model_dump(mode="json") for clip in ready.clips]
        if await self._db.fetchval(_IMPORT_READY, ready.import_id, rev, at):
            await self._db.execute(_CLIPS, ready.import_id, facts)
            await jobs.cancel(self._db, ready.import_id)

    async def level_import(self, import_id: str, rev: int) -> None:
        await self._db.execute("update imports set rev = greatest(rev, $2) where import_id = $1", import_id, rev)
