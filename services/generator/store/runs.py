"""Runs and their assets: how they begin and end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg

from services.generator.domain.calls import CANCEL_ORPHAN
from services.generator.domain.runs import Lane, Run
from services.generator.domain.states import ACTIVE, RunState, VersionStatus
from services.generator.store.rows import RUN, Rows, dump_settings, run_of, states
from shared.contracts.events.gateway import RegenerateRequested
from shared.contracts.values import AssetKind, Problem, Settings, Version
from shared.jobs import queue as jobs
from shared.messaging import inbox
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
_OFFER_EXISTING: Final = """
    with offered as (insert into candidates (run_id, position, version_id) values ($1, 0, $2))
    update versions set status = 'candidate' where version_id = $2 and status <> 'accepted'
"""
_LOCK_VERSION: Final = """
    select v.facts, v.asset_id, v.status, v.purged_at is not null as purged, a.kind
    from versions v join assets a using (asset_id) where v.version_id = $1 for share of v
"""
_OPEN_CALLS: Final = """
    select call_id from provider_calls where run_id = $1 and state in ('intended', 'submitted')
"""
_TOMBSTONE: Final = """
    insert into assets (asset_id, created_at, deleted_at)
    select asset_id, $3, $3 from (
        select unnest($1::uuid[]) as asset_id
        union select asset_id from assets where episode_id = $2 and deleted_at is null
    ) deleted order by asset_id
    on conflict (asset_id) do update set deleted_at = coalesce(assets.deleted_at, excluded.deleted_at)
    returning asset_id
"""
# Of the versions, those that the deletion marked; what retention had marked before stays so.
_RESTORE: Final = """
    with restored as (
        select asset_id, deleted_at from assets where asset_id = any($1::uuid[]) and deleted_at is not null
        order by asset_id for update
    ), kept as (
        update versions v set purged_at = null
        from restored r where v.asset_id = r.asset_id and v.purged_at = r.deleted_at
    )
    update assets a set deleted_at = null from restored r where a.asset_id = r.asset_id
"""
_PURGE: Final = "update versions set purged_at = $2 where asset_id = any($1::uuid[]) and purged_at is null"


@dataclass(frozen=True)
class AdmittedAsset:
    """The asset of a run that begins, locked until the transaction ends."""

    commit_seq: int
    committed: Version | None
    deleted: bool = False
    refused: bool = False  # the run's command was dead-lettered before, and its failure is published
    parked: bool = False  # events about the run arrived before it


@dataclass(frozen=True)
class NewRun:
    request: RegenerateRequested
    cause: Cause
    state: RunState
    step: str
    settings: Settings
    provider: str
    model: str | None
    lane: Lane
    problem: Problem | None = None
    candidate: Version | None = None  # source `existing`: the version that is offered again
    base_commit_seq: int | None = None


@dataclass(frozen=True)
class LockedVersion:
    """A version that cannot be purged before the transaction ends."""

    version: Version
    kind: AssetKind
    asset_id: str
    status: VersionStatus
    purged: bool


class RunRepository(Rows):
    """Bound to one transaction."""

    async def admit(self, request: RegenerateRequested, cause: Cause) -> AdmittedAsset:
        """Locks the asset, which is made known if it is new."""
        await inbox.lock_subject(self._db, request.run_id)
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
        return AdmittedAsset(row["commit_seq"], committed, row["deleted"], row["refused"], row["parked"])

    async def lock_version(self, version_id: str) -> LockedVersion | None:
        return await lock_version(self._db, version_id)

    async def add(self, run: NewRun, now: datetime) -> Run | None:
        """None if there is a run of that id already."""
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
            await self._db.execute(_OFFER_EXISTING, r.run_id, run.candidate.version_id)
        return run_of(row)

    async def enqueue(self, run: Run, lane: Lane) -> None:
        limits = [run.provider, f"{run.provider} {run.model}"] if lane is Lane.CALL else []
        await jobs.enqueue(
            self._db, run.run_id, lane, fair_key=run.cause.project_id, payload={"limits": limits} if limits else None
        )

    async def stop_work(self, run_id: str) -> None:
        """Removes the run's job and stops whoever has it in hand, the provider included."""
        await jobs.cancel(self._db, run_id)
        for r in await self._db.fetch(_OPEN_CALLS, run_id):
            await jobs.enqueue(self._db, r["call_id"], CANCEL_ORPHAN)

    async def is_known(self, run_id: str) -> bool:
        """If not, it is not stored before the transaction ends either."""
        return await inbox.is_known(self._db, "select 1 from runs where run_id = $1", run_id)

    async def tombstone_assets(self, asset_ids: Sequence[str], episode_id: str | None, now: datetime) -> list[str]:
        """Marks assets as deleted, even unseen ones, and their versions as not to be used again; returns the ids of
        their active runs. With an episode: all of its assets that are known."""
        tombstoned = [r["asset_id"] for r in await self._db.fetch(_TOMBSTONE, list(asset_ids), episode_id, now)]
        await self._db.execute(_PURGE, tombstoned, now)
        rows = await self._db.fetch(
            "select run_id from runs where asset_id = any($1::uuid[]) and state = any($2) order by run_id",
            tombstoned,
            states(ACTIVE),
        )
        return [r["run_id"] for r in rows]

    async def restore_assets(self, asset_ids: Sequence[str]) -> None:
        """The inverse of `tombstone_assets`, but for the runs: they have ended."""
        await self._db.execute(_RESTORE, list(asset_ids))

    async def refuse(self, run_id: str, now: datetime) -> None:
        """Remembers a run whose request was put aside, so that it never starts."""
        await self._db.execute(
            "insert into refused_runs (run_id, refused_at) values ($1, $2) on conflict do nothing", run_id, now
        )


async def lock_version(connection: Connection, version_id: str) -> LockedVersion | None:
    row: asyncpg.Record | None = await connection.fetchrow(_LOCK_VERSION, version_id)
    if row is None:
        return None
    version = Version.model_validate(row["facts"])
    return LockedVersion(version, AssetKind(row["kind"]), row["asset_id"], VersionStatus(row["status"]), row["purged"])
