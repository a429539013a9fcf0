"""How runs begin and end, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import asyncpg

from services.generator.commands.ports import Asset, HeldVersion, NewRun
from services.generator.domain.runs import Lane, Run
from services.generator.domain.states import ACTIVE, VersionStatus
from services.generator.providers.base import ABANDON
from services.generator.store.rows import RUN, Rows, dump_settings, run_of, states
from shared.contracts.events.gateway import RegenerateRequested
from shared.contracts.values import AssetKind, Version
from shared.jobs import queue as jobs
from shared.messaging.events import Cause
from shared.observability.tracing import current_traceparent
from shared.postgres.pool import Connection

# The upsert locks the row, so a deletion and a first run of the same asset wait for each other.
_ADMIT: Final = """
    insert into assets as a (asset_id, kind, project_id, episode_id, segment_id, created_at)
    values ($1, $2, $3, $4, $5, now())
    on conflict (asset_id) do update
        set kind = coalesce(a.kind, excluded.kind), project_id = coalesce(a.project_id, excluded.project_id),
            episode_id = coalesce(a.episode_id, excluded.episode_id),
            segment_id = coalesce(a.segment_id, excluded.segment_id)
    returning commit_seq, deleted_at is not null as deleted,
        (select facts from versions v where v.version_id = a.committed_version_id) as committed,
        exists (select 1 from refused_runs r where r.run_id = $6) as refused,
        exists (select 1 from parked p where p.subject_id = $6) as parked
"""
_ADD: Final = f"""
    insert into runs (run_id, asset_id, state, request, settings, provider, model, lane, step, problem,
                      base_commit_seq, project_id, owner_id, correlation_id, event_id, traceparent,
                      created_at, updated_at, ended_at)
    values ($1, $2, $3::text, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17::timestamptz,
            $17::timestamptz,
            case when $3::text = 'failed' then $17::timestamptz end)
    on conflict do nothing returning {RUN}
"""
_OFFER: Final = """
    with offered as (insert into candidates (run_id, position, version_id) values ($1, 0, $2))
    update versions set status = 'candidate' where version_id = $2 and status <> 'accepted'
"""
_HOLD: Final = """
    select v.facts, v.asset_id, v.status, v.purged_at is not null as purged, a.kind
    from versions v join assets a using (asset_id) where v.version_id = $1 for share of v
"""
_OPEN_CALLS: Final = """
    select call_id from provider_calls where run_id = $1 and state in ('intended', 'submitted')
"""
_BURY: Final = """
    insert into assets (asset_id, created_at, deleted_at)
    select asset_id, $3, $3 from (
        select unnest($1::uuid[]) as asset_id
        union select asset_id from assets where episode_id = $2 and deleted_at is null
    ) gone order by asset_id
    on conflict (asset_id) do update set deleted_at = coalesce(assets.deleted_at, excluded.deleted_at)
    returning asset_id
"""
_PURGE: Final = "update versions set purged_at = $2 where asset_id = any($1::uuid[]) and purged_at is null"


class PostgresRuns(Rows):
    """Implements `Runs`."""

    async def admit(self, request: RegenerateRequested, cause: Cause) -> Asset:
        row = await self._db.fetchrow(
            _ADMIT,
            request.asset_id,
            request.asset_kind,
            cause.project_id,
            request.episode_id,
            request.segment_id,
            request.run_id,
        )
        assert row is not None, "the upsert returns its row"
        committed = Version.model_validate(row["committed"]) if row["committed"] else None
        return Asset(row["commit_seq"], committed, row["deleted"], row["refused"], row["parked"])

    async def hold_version(self, version_id: str) -> HeldVersion | None:
        return await hold_version(self._db, version_id)

    async def add(self, run: NewRun, now: datetime) -> Run | None:
        r, c = run.request, run.cause
        row = await self._db.fetchrow(
            _ADD,
            r.run_id,
            r.asset_id,
            run.state,
            r.model_dump(mode="json"),
            dump_settings(run.settings),
            run.provider,
            run.model,
            run.lane,
            run.step,
            run.problem.model_dump() if run.problem else None,
            run.base_commit_seq,
            c.project_id,
            c.owner_id,
            c.correlation_id,
            c.causation_id,
            current_traceparent(),
            now,
        )
        if row is None:
            return None
        if run.candidate:
            await self._db.execute(_OFFER, r.run_id, run.candidate.version_id)
        return run_of(row)

    async def enqueue(self, run: Run, lane: Lane) -> None:
        gates = [run.provider, f"{run.provider} {run.model}"] if lane is Lane.CALL else []
        await jobs.enqueue(
            self._db, run.run_id, lane, fair_key=run.cause.project_id, payload={"limits": gates} if gates else None
        )

    async def stop_work(self, run_id: str) -> None:
        await jobs.cancel(self._db, run_id)
        for r in await self._db.fetch(_OPEN_CALLS, run_id):
            await jobs.enqueue(self._db, r["call_id"], ABANDON)

    async def is_known(self, run_id: str) -> bool:
        return bool(await self._db.fetchval("select 1 from runs where run_id = $1", run_id))

    async def bury(self, asset_ids: Sequence[str], episode_id: str | None, now: datetime) -> list[str]:
        gone = [r["asset_id"] for r in await self._db.fetch(_BURY, list(asset_ids), episode_id, now)]
        await self._db.execute(_PURGE, gone, now)
        rows = await self._db.fetch(
            "select run_id from runs where asset_id = any($1::uuid[]) and state = any($2) order by run_id",
            gone,
            states(ACTIVE),
        )
        return [r["run_id"] for r in rows]

    async def refuse(self, run_id: str, now: datetime) -> None:
        await self._db.execute(
            "insert into refused_runs (run_id, refused_at) values ($1, $2) on conflict do nothing", run_id, now
        )


async def hold_version(connection: Connection, version_id: str) -> HeldVersion | None:
    row: asyncpg.Record | None = await connection.fetchrow(_HOLD, version_id)
    if row is None:
        return None
    version = Version.model_validate(row["facts"])
    return HeldVersion(version, AssetKind(row["kind"]), row["asset_id"], VersionStatus(row["status"]), row["purged"])
