"""Imports of films: how they begin and end, and what the worker that splits them writes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import asyncpg

from services.generator.domain.attempts import Attempt
from services.generator.domain.film_splits import SceneChange
from services.generator.domain.imports import SPLIT, WORKING, FilmImport, ImportState
from shared.contracts.base import Event
from shared.contracts.events.gateway import ImportRequested
from shared.contracts.events.generator import ImportClip
from shared.contracts.values import Problem
from shared.core.errors import Fenced
from shared.jobs import queue as jobs
from shared.messaging import inbox, outbox
from shared.messaging.events import Cause, Message, Publisher
from shared.observability.tracing import current_traceparent
from shared.postgres.pool import Connection, Pool
from shared.postgres.retry import retryable_transaction

_IMPORT: Final = """import_id, request, state, rev, attempt, failures, step, project_id, owner_id, correlation_id,
    event_id"""
_WORKING: Final = sorted(state.value for state in WORKING)

_ADD: Final = f"""
    insert into imports (import_id, episode_id, state, request, step, project_id, owner_id, correlation_id, event_id,
                         traceparent, created_at, updated_at)
    values ($1, $2, 'queued', $3, 'queued', $4, $5, $6, $7, $8, $9, $9) on conflict do nothing returning {_IMPORT}
"""
_BEGIN: Final = f"""
    update imports set state = 'splitting', rev = rev + 1, token = $2, attempt = $3, step = 'scanning', updated_at = $4
    where import_id = $1 and state = any($5) returning {_IMPORT}
"""
_ADVANCE: Final = f"""
    update imports set rev = rev + 1, step = $3, updated_at = $4
    where import_id = $1 and token = $2 and state = 'splitting' returning {_IMPORT}
"""
_STORE_CHANGES: Final = "update imports set changes = $3 where import_id = $1 and token = $2 returning 1"
_STORE_CLIPS: Final = """
    with ours as (select import_id from imports where import_id = $1 and token = $2 and state = 'splitting' for update),
    kept as (
        insert into import_clips (import_id, number, facts)
        select ours.import_id, c.number, c.facts from ours, unnest($3::int[], $4::jsonb[]) as c(number, facts)
        on conflict (import_id, number) do update set facts = excluded.facts
    )
    select 1 from ours
"""
_POSTPONE: Final = f"""
    update imports set rev = rev + 1, step = 'retrying', failures = failures + 1
    where import_id = $1 and token = $2 and state = 'splitting' returning {_IMPORT}
"""
_END: Final = f"""
    update imports set state = $2, rev = rev + 1, token = null, problem = $5, ended_at = $6, updated_at = $6
    where import_id = $1 and state = any($3) and ($4::uuid is null or token = $4) returning {_IMPORT}
"""


@dataclass(frozen=True)
class StoredProgress:
    """What earlier attempts stored: the scene changes, None before they are known, and clips."""

    changes: list[SceneChange] | None
    clips: list[ImportClip]


class _ImportRows:
    """Bound to one transaction."""

    def __init__(self, connection: Connection, publisher: Publisher) -> None:
        self._db = connection
        self._publisher = publisher

    async def publish(self, cause: Cause, *events: Event) -> None:
        await outbox.publish(self._db, self._publisher.messages(events, cause))

    async def end(
        self,
        import_id: str,
        state: ImportState,
        now: datetime,
        *,
        problem: Problem | None = None,
        attempt: Attempt | None = None,
    ) -> FilmImport | None:
        """From a working state; None if it was in none, or is another attempt's."""
        row = await self._db.fetchrow(
            _END,
            import_id,
            state,
            _WORKING,
            attempt.token if attempt else None,
            problem.model_dump() if problem else None,
            now,
        )
        return _import_of(row) if row else None


class ImportRepository(_ImportRows):
    """Bound to one transaction."""

    async def add(self, request: ImportRequested, cause: Cause, now: datetime) -> FilmImport | None:
        """None if there is an import of that id already."""
        await inbox.lock_subject(self._db, request.import_id)
        row = await self._db.fetchrow(
            _ADD,
            request.import_id,
            request.episode_id,
            request.model_dump(mode="json"),
            cause.project_id,
            cause.owner_id,
            cause.correlation_id,
            cause.causation_id,
            current_traceparent(),
            now,
        )
        return _import_of(row) if row else None

    async def enqueue(self, film: FilmImport) -> None:
        await jobs.enqueue(self._db, film.import_id, SPLIT, fair_key=film.cause.project_id)

    async def stop_work(self, import_id: str) -> None:
        await jobs.cancel(self._db, import_id)

    async def of_episode(self, episode_id: str) -> list[str]:
        """The imports into an episode that have not ended."""
        rows = await self._db.fetch(
            "select import_id from imports where episode_id = $1 and state = any($2)", episode_id, _WORKING
        )
        return [r["import_id"] for r in rows]

    async def is_known(self, import_id: str) -> bool:
        """If not, it is not stored before the transaction ends either."""
        return await inbox.is_known(self._db, "select 1 from imports where import_id = $1", import_id)

    async def park(self, subject_id: str, message: Message[Any]) -> None:
        await inbox.park(self._db, subject_id, message)

    async def unpark(self, subject_id: str) -> list[Message[Any]]:
        return list(await inbox.unpark(self._db, subject_id))


class FilmSplitRepository(_ImportRows):
    """What the worker of an import writes, bound to one transaction. Every write is fenced by the attempt's token."""

    async def begin(self, attempt: Attempt, now: datetime) -> FilmImport | None:
        row = await self._db.fetchrow(_BEGIN, attempt.job_id, attempt.token, attempt.number, now, _WORKING)
        return _import_of(row) if row else None

    async def load_progress(self, import_id: str) -> StoredProgress:
        changes = await self._db.fetchval("select changes from imports where import_id = $1", import_id)
        clips = await self._db.fetch("select facts from import_clips where import_id = $1 order by number", import_id)
        return StoredProgress(
            None if changes is None else [SceneChange(*change) for change in changes],
            [ImportClip.model_validate(r["facts"]) for r in clips],
        )

    async def store_scene_changes(self, attempt: Attempt, changes: Sequence[SceneChange]) -> None:
        """Raises Fenced."""
        rows = [[change.time_s, change.score] for change in changes]
        if not await self._db.fetchval(_STORE_CHANGES, attempt.job_id, attempt.token, rows):
            raise Fenced(attempt.job_id)

    async def record_progress(self, attempt: Attempt, step: str, now: datetime) -> FilmImport | None:
        row = await self._db.fetchrow(_ADVANCE, attempt.job_id, attempt.token, step, now)
        return _import_of(row) if row else None

    async def store_clips(self, attempt: Attempt, clips: Sequence[ImportClip]) -> None:
        """Raises Fenced."""
        if not await self._db.fetchval(
            _STORE_CLIPS,
            attempt.job_id,
            attempt.token,
            [c.number for c in clips],
            [c.model_dump(mode="json") for c in clips],
        ):
            raise Fenced(attempt.job_id)

    async def finish_job(self, attempt: Attempt) -> None:
        """Ends the job. Raises Fenced."""
        await jobs.finish(self._db, attempt.claim)

    async def postpone(self, attempt: Attempt, until: datetime) -> FilmImport | None:
        row = await self._db.fetchrow(_POSTPONE, attempt.job_id, attempt.token)
        if row is None:
            return None
        await jobs.reschedule(self._db, attempt.claim, until)
        return _import_of(row)


SplitUnit = Callable[[], AbstractAsyncContextManager[FilmSplitRepository]]
"""Opens a transaction of a worker. Raises Retryable("database_unavailable")."""


def split_units(pool: Pool, publisher: Publisher) -> SplitUnit:
    @asynccontextmanager
    async def unit() -> AsyncIterator[FilmSplitRepository]:
        async with retryable_transaction(pool) as connection:
            yield FilmSplitRepository(connection, publisher)

    return unit


def _import_of(row: asyncpg.Record) -> FilmImport:
    return FilmImport(
        request=ImportRequested.model_validate(row["request"]),
        cause=Cause(row["project_id"], row["owner_id"], row["correlation_id"], row["event_id"]),
        state=ImportState(row["state"]),
        rev=row["rev"],
        attempt=row["attempt"],
        failures=row["failures"],
        step=row["step"],
    )
