"""Job rows: each call is one transaction, which first verifies that this worker still owns the job."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, Final

from services.compiler import metrics
from services.compiler.domain.compilations import EpisodeState, FilmResult
from services.compiler.planning.pinned_versions import unknown_versions, with_texts
from services.compiler.store.compilations import (
    COMPILATION,
    compilation,
    enqueue_prepare,
    renew_prepare,
    versions_of,
)
from services.compiler.store.sign_jobs import enqueue_sign
from shared.contracts.events.compiler import FilmUpdated
from shared.contracts.events.gateway import CompileRequested, EpisodeChanged, PinnedMedia
from shared.contracts.values import Problem, Value
from shared.core.clock import Clock
from shared.core.errors import Fenced
from shared.jobs import queue as jobs
from shared.messaging import outbox
from shared.messaging.events import Publisher
from shared.postgres.pool import Connection, Pool, transaction

TEXTS_AWAITED: Final = timedelta(seconds=60)
"""How long a film waits for `complete` events of its versions, which usually are applied before the request."""

_REQUEST: Final = "select request, created_at from compilations where compilation_id = $1"
_SET_REQUEST: Final = "update compilations set request = $2 where compilation_id = $1"
_REPORT: Final = f"""
    update compilations set state = 'processing', rev = rev + 1, progress = greatest(progress, $2),
                            estimated_duration_s = coalesce($3, estimated_duration_s)
    where compilation_id = $1 and state in ('pending', 'processing')
    returning {COMPILATION}, estimated_duration_s
"""
_COMPLETE: Final = f"""
    update compilations set state = 'completed', rev = rev + 1, progress = 100, result = $2, completed_at = $3
    where compilation_id = $1 and state = 'processing' returning {COMPILATION}
"""
_FAIL: Final = f"""
    update compilations set state = 'failed', rev = rev + 1, problem = $2
    where compilation_id = $1 and state in ('pending', 'processing') returning {COMPILATION}
"""
_TIMELINE: Final = """
    select t.timeline, t.changed, (select request from compilations c where c.episode_id = t.episode_id
                                   order by created_at desc limit 1) as last
    from timelines t where t.episode_id = $1 and not t.deleted
"""
_CHANGED: Final = "select changed from timelines where episode_id = $1 and not deleted"
_SUPERSEDED: Final = f"""
    select coalesce(({_CHANGED}), -1) is distinct from $2
           or exists (select 1 from compilations where episode_id = $1 and state in ('pending', 'processing'))
"""
_COMMITTED: Final = "select asset_id, media from committed where episode_id = $1"


class FilmJob:
    """A compilation being made. Every call raises Fenced if another worker owns the job now."""

    def __init__(
        self,
        pool: Pool,
        publisher: Publisher,
        claim: jobs.Claim,
        clock: Clock,
        request: CompileRequested,
        *,
        texts_awaited: bool = False,
        texts_unknown: int = 0,
        render_ahead: bool,
    ) -> None:
        self._pool = pool
        self._publisher = publisher
        self._claim = claim
        self._clock = clock
        self._request = request
        self._texts_awaited = texts_awaited
        self._texts_unknown = texts_unknown
        self._render_ahead = render_ahead

    @property
    def request(self) -> CompileRequested:
        return self._request

    @property
    def texts_awaited(self) -> bool:
        """Texts of pinned versions are on their way: `postpone`, and load the job again."""
        return self._texts_awaited

    @property
    def texts_unknown(self) -> int:
        """Pinned versions whose texts did not arrive in time; the film does without them."""
        return self._texts_unknown

    async def report(self, progress: float, message_code: str, estimate_s: float | None = None) -> None:
        async with self._owned() as connection:
            facts = {"message_code": message_code}
            await self._update(connection, _REPORT, progress, estimate_s, facts=facts)

    async def complete(self, result: FilmResult, now: datetime) -> None:
        facts: dict[str, Any] = {
            "object": result.object,
            "poster": result.poster,
            "media": result.media,
            "segments_included": len(self._request.items),
            "report": result.report,
            "warnings": list(result.warnings),
            "files": dict(result.files),
            "provenance": "pending",
        }
        stored = {name: _plain(value) for name, value in facts.items()}
        facts |= {"completed_at": now, "message_code": "compile.completed"}
        async with self._owned() as connection:
            await self._update(connection, _COMPLETE, stored, now, facts=facts)
            await enqueue_sign(connection, self._request.compilation_id)
            await self._finish(connection)
        metrics.COMPILATIONS.labels("completed").inc()
        metrics.COMPILATION_SECONDS.observe(result.report.seconds)

    async def fail(self, problem: Problem) -> None:
        async with self._owned() as connection:
            facts = {"problem": problem, "message_code": "compile.failed"}
            await self._update(connection, _FAIL, problem.model_dump(mode="json"), facts=facts)
            await self._finish(connection)
        metrics.COMPILATIONS.labels("failed").inc()

    async def postpone(self, delay_s: float) -> None:
        """Returns the job to the queue without counting the attempt."""
        async with self._owned() as connection:
            run_at = self._clock.now() + timedelta(seconds=delay_s)
            await jobs.reschedule(connection, self._claim, run_at, counted=False)

    async def retry(self, delay_s: float) -> None:
        failures = self._claim.payload.get("failures", 0) + 1
        async with self._owned() as connection:
            run_at = self._clock.now() + timedelta(seconds=delay_s)
            await jobs.reschedule(connection, self._claim, run_at, self._claim.payload | {"failures": failures})

    async def _finish(self, connection: Connection) -> None:
        """Ends the job. Rendering ahead paused for this film and now resumes, with the preferences it has shown."""
        await jobs.finish(connection, self._claim)
        if self._render_ahead:
            await renew_prepare(connection, self._request.episode_id)

    @asynccontextmanager
    async def _owned(self) -> AsyncIterator[Connection]:
        async with transaction(self._pool) as connection:
            await jobs.lock_claim(connection, self._claim)
            yield connection

    async def _update(self, connection: Connection, sql: str, *values: Any, facts: dict[str, Any]) -> None:
        """Changes the row and publishes the change in the same transaction."""
        row = await connection.fetchrow(sql, self._request.compilation_id, *values)
        if row is None:
            raise Fenced(self._claim.job_id)
        changed = compilation(row)
        if "estimated_duration_s" in row:
            facts = facts | {"estimated_duration_s": row["estimated_duration_s"]}
        event = FilmUpdated(
            episode_id=changed.episode_id,
            compilation_id=changed.compilation_id,
            rev=changed.rev,
            state=changed.state,
            progress=changed.progress,
            **facts,
        )
        await outbox.publish(connection, [self._publisher.message(event, changed.cause)])


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(v) for name, v in value.items()}
    return value.model_dump(mode="json") if isinstance(value, Value) else value


async def load_film_job(
    pool: Pool, publisher: Publisher, claim: jobs.Claim, clock: Clock, *, render_ahead: bool
) -> FilmJob:
    """The request is completed with the texts that have arrived, and stored so: signing reads it after the film is
    finished, when the versions' rows may be gone."""
    async with transaction(pool) as connection:
        row = await connection.fetchrow(_REQUEST, claim.job_id)
        if row is None:
            raise Fenced(claim.job_id)
        stored = CompileRequested.model_validate(row["request"])
        known = await versions_of(connection, stored)
        request = with_texts(stored, known)
        if request != stored:
            await connection.execute(_SET_REQUEST, claim.job_id, request.model_dump(mode="json"))
    unknown = len(unknown_versions(request, known))
    awaited = unknown > 0 and clock.now() < row["created_at"] + TEXTS_AWAITED
    return FilmJob(
        pool,
        publisher,
        claim,
        clock,
        request,
        texts_awaited=awaited,
        texts_unknown=unknown,
        render_ahead=render_ahead,
    )


class PostgresPrepareJob:
    """Implements `commands.ports.PrepareJob`."""

    def __init__(self, pool: Pool, claim: jobs.Claim, clock: Clock) -> None:
        self._pool = pool
        self._claim = claim
        self._clock = clock
        self._episode_id: str = claim.payload["episode_id"]
        self._seen: int | None = None

    async def episode(self) -> EpisodeState | None:
        async with transaction(self._pool) as connection:
            row = await connection.fetchrow(_TIMELINE, self._episode_id)
            if row is None:
                return None
            committed = await connection.fetch(_COMMITTED, self._episode_id)
        self._seen = row["changed"]
        return EpisodeState(
            timeline=EpisodeChanged.model_validate(row["timeline"]),
            committed={c["asset_id"]: PinnedMedia.model_validate(c["media"]) for c in committed},
            last=CompileRequested.model_validate(row["last"]) if row["last"] else None,
            settled=self._claim.payload.get("settled") == self._seen,
        )

    async def superseded(self) -> bool:
        async with transaction(self._pool) as connection:
            return bool(await connection.fetchval(_SUPERSEDED, self._episode_id, self._seen))

    async def finish(self) -> None:
        """Locks the timeline's row, so that a later change finds no job and enqueues a new one."""
        async with transaction(self._pool) as connection:
            now = await connection.fetchval(f"{_CHANGED} for update", self._episode_id)
            await jobs.finish(connection, self._claim)
            if now is not None and now != self._seen:
                await enqueue_prepare(connection, self._episode_id)

    async def postpone(self, delay_s: float) -> None:
        async with transaction(self._pool) as connection:
            run_at = self._clock.now() + timedelta(seconds=delay_s)
            await jobs.reschedule(connection, self._claim, run_at, self._claim.payload | {"settled": self._seen})
