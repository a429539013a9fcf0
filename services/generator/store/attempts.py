"""What the worker of a run writes, in PostgreSQL. Every statement names the attempt's token: no row, no write."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from typing import Final

from services.generator.commands.ports import Attempt, Attempts, HeldVersion
from services.generator.domain.runs import Candidate, Run
from services.generator.domain.states import SOURCES_OF, RunState
from services.generator.store.rows import RUN, Rows, run_of, states
from services.generator.store.runs import hold_version
from shared.contracts.values import Problem, Version
from shared.core.errors import Retryable
from shared.jobs import queue as jobs
from shared.messaging.events import Publisher
from shared.postgres.pool import Pool, transaction
from shared.postgres.retry import UNAVAILABLE

_BEGIN: Final = f"""
    update runs set state = 'generating', rev = rev + 1, token = $2, attempt = $3, step = 'preparing', percent = 0,
                    started_at = coalesce(started_at, $4), updated_at = $4
    where run_id = $1 and state = any($5) returning {RUN}
"""
_ADVANCE: Final = f"""
    update runs set rev = rev + 1, step = $3, percent = $4, updated_at = $5
    where run_id = $1 and token = $2 and state = 'generating' returning {RUN}
"""
_MADE: Final = """
    select c.position, v.facts, c.problem from candidates c left join versions v using (version_id)
    where c.run_id = $1 order by c.position
"""
_NUMBER: Final = """
    with mine as (select asset_id from runs where run_id = $1 and token = $2 and state = 'generating' for update)
    update assets a set last_version_number = last_version_number + $3
    from mine where a.asset_id = mine.asset_id and a.deleted_at is null
    returning a.asset_id, a.last_version_number - $3 as used
"""
_KEEP: Final = """
    with stored as (
        insert into versions (version_id, asset_id, run_id, version_number, status, facts, created_at)
        select v.version_id, $2, $1, (v.facts->>'version_number')::integer, 'candidate', v.facts, $7
        from unnest($4::uuid[], $5::jsonb[]) as v(version_id, facts) where v.version_id is not null
    ), paid as (
        update provider_calls set state = 'succeeded', ended_at = $7
        where run_id = $1 and position = any($3::smallint[]) and state = 'submitted' and amount is not null
    )
    insert into candidates (run_id, position, version_id, problem)
    select $1, * from unnest($3::smallint[], $4::uuid[], $6::jsonb[])
"""
_COMMITTED: Final = """
    select v.facts from assets a join versions v on v.version_id = a.committed_version_id
    where a.asset_id = $1 and a.deleted_at is null and v.purged_at is null
"""
_SETTLE: Final = f"""
    update runs r set state = 'preview_ready', rev = rev + 1, token = null, step = 'waiting', percent = 100,
                      updated_at = $3, base_commit_seq = a.commit_seq
    from assets a
    where r.run_id = $1 and r.token = $2 and r.state = any($4) and a.asset_id = r.asset_id and a.deleted_at is null
    returning {", ".join(f"r.{name.strip()}" for name in RUN.split(","))}
"""
_POSTPONE: Final = f"""
    update runs set rev = rev + 1, step = 'retrying', failures = failures + $4, problem = $3
    where run_id = $1 and token = $2 and state = 'generating' returning {RUN}
"""


class PostgresAttempts(Rows):
    """Implements `Attempts`."""

    async def begin(self, attempt: Attempt, now: datetime) -> Run | None:
        row = await self._db.fetchrow(
            _BEGIN, attempt.run_id, attempt.token, attempt.number, now, states(SOURCES_OF[RunState.GENERATING])
        )
        return run_of(row) if row else None

    async def made(self, run_id: str) -> list[Candidate]:
        rows = await self._db.fetch(_MADE, run_id)
        return [
            Candidate(
                r["position"],
                Version.model_validate(r["facts"]) if r["facts"] else None,
                Problem.model_validate(r["problem"]) if r["problem"] else None,
            )
            for r in rows
        ]

    async def hold_version(self, version_id: str) -> HeldVersion | None:
        return await hold_version(self._db, version_id)

    async def committed(self, asset_id: str) -> Version | None:
        facts = await self._db.fetchval(_COMMITTED, asset_id)
        return None if facts is None else Version.model_validate(facts)

    async def advance(self, attempt: Attempt, step: str, percent: float, now: datetime) -> Run | None:
        row = await self._db.fetchrow(_ADVANCE, attempt.run_id, attempt.token, step, percent, now)
        return run_of(row) if row else None

    async def keep(self, attempt: Attempt, candidates: Sequence[Candidate], now: datetime) -> list[Candidate] | None:
        made = sum(1 for c in candidates if c.version)
        row = await self._db.fetchrow(_NUMBER, attempt.run_id, attempt.token, made)
        if row is None:
            return None
        numbered = _numbered(candidates, row["used"])
        await self._db.execute(
            _KEEP,
            attempt.run_id,
            row["asset_id"],
            [c.position for c in numbered],
            [c.version.version_id if c.version else None for c in numbered],
            [c.version.model_dump(mode="json") if c.version else None for c in numbered],
            [c.problem.model_dump() if c.problem else None for c in numbered],
            now,
        )
        return numbered

    async def settle(self, attempt: Attempt, now: datetime) -> Run | None:
        row = await self._db.fetchrow(
            _SETTLE, attempt.run_id, attempt.token, now, states(SOURCES_OF[RunState.PREVIEW_READY])
        )
        return run_of(row) if row else None

    async def finish(self, attempt: Attempt) -> None:
        await jobs.finish(self._db, attempt.handle)

    async def postpone(
        self, attempt: Attempt, until: datetime, problem: Problem, *, counted: bool = True
    ) -> Run | None:
        row = await self._db.fetchrow(_POSTPONE, attempt.run_id, attempt.token, problem.model_dump(), int(counted))
        if row is None:
            return None
        await jobs.reschedule(self._db, attempt.handle, until, counted=counted)
        return run_of(row)


def _numbered(candidates: Sequence[Candidate], used: int) -> list[Candidate]:
    numbered = []
    for candidate in candidates:
        if candidate.version:
            used += 1
            version = candidate.version.model_copy(update={"version_number": used})
            candidate = Candidate(candidate.position, version)
        numbered.append(candidate)
    return numbered


def attempt_units(pool: Pool, publisher: Publisher) -> Callable[[], AbstractAsyncContextManager[Attempts]]:
    """Transactions for workers. A database that is away is Retryable("database_unavailable")."""

    @asynccontextmanager
    async def unit() -> AsyncIterator[Attempts]:
        try:
            async with transaction(pool) as connection:
                yield PostgresAttempts(connection, publisher)
        except UNAVAILABLE as e:
            raise Retryable("database_unavailable", f"The database is away: {e!r}") from e

    return unit
