"""Timelines, commits and compilations in PostgreSQL, bound to one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid5

import asyncpg

from services.compiler import metrics
from services.compiler.domain.compilations import Compilation
from services.compiler.planning.keys import output_name
from services.compiler.planning.pinned_versions import pinned_media, with_texts
from shared.contracts.base import Event
from shared.contracts.events.compiler import FilmState
from shared.contracts.events.gateway import CompileRequested, EpisodeChanged, PinnedMedia
from shared.contracts.values import Output, Problem
from shared.jobs import queue as jobs
from shared.messaging import inbox, outbox
from shared.messaging.events import Cause, Message, Publisher
from shared.postgres.pool import Connection

COMPILE: Final = "compile"
PREPARE: Final = "prepare"

_PREPARE_IDS: Final = UUID("6f0b4c36-5a55-4d0e-8f0c-2a8f1f6f7f10")  # one job per episode, however it was enqueued

# Of an earlier commit that arrives late only the version is kept: a film may have pinned it.
_RECORD_COMMIT: Final = """
    with newest as (
        insert into committed (asset_id, episode_id, commit_seq, media) values ($1, $2, $3, $4)
        on conflict (asset_id) do update set episode_id = $2, commit_seq = $3, media = $4
        where committed.commit_seq < excluded.commit_seq returning 1
    ), kept as (
        insert into versions (version_id, asset_id, media, superseded_at)
        values ($5, $1, $4, case when exists (select from newest) then null else now() end)
        on conflict (version_id) do update set superseded_at = null where excluded.superseded_at is null
    ), superseded as (
        update versions set superseded_at = now()
        where asset_id = $1 and version_id <> $5 and superseded_at is null and exists (select from newest)
    )
    select 1 from newest
"""
_VERSIONS: Final = "select version_id, media from versions where version_id = any($1::uuid[])"
_TOMBSTONE: Final = """
    with gone as (
        delete from committed where asset_id = any($1::uuid[]) returning asset_id, episode_id, commit_seq, media
    )
    insert into deleted_assets (asset_id, episode_id, commit_seq, media)
    select deleted.asset_id, gone.episode_id, gone.commit_seq, gone.media
    from unnest($1::uuid[]) as deleted(asset_id) left join gone using (asset_id)
    on conflict do nothing
"""
_KEEP: Final = """
    update deleted_assets set episode_id = $2, commit_seq = $3, media = $4
    where asset_id = $1 and (commit_seq is null or commit_seq < $3)
"""
_RESTORE: Final = """
    with back as (
        delete from deleted_assets where asset_id = any($1::uuid[]) returning asset_id, episode_id, commit_seq, media
    ), committed_again as (
        insert into committed (asset_id, episode_id, commit_seq, media)
        select asset_id, episode_id, commit_seq, media from back where media is not null
        on conflict (asset_id) do nothing
    )
    insert into versions (version_id, asset_id, media)
    select (media ->> 'version_id')::uuid, asset_id, media from back where media is not null
    on conflict (version_id) do update set superseded_at = null
"""
_STORE_TIMELINE: Final = """
    insert into timelines (episode_id, timeline_version, deleted, timeline) values ($1, $2, $3, $4)
    on conflict (episode_id) do update set timeline_version = $2, deleted = $3, timeline = $4
    where timelines.timeline_version < excluded.timeline_version returning 1
"""
_RENEW: Final = "update timelines set changed = changed + 1 where episode_id = $1 and not deleted returning 1"
_ADMIT: Final = """
    insert into compilations (compilation_id, episode_id, state, estimated_duration_s, request, project_id, owner_id,
                              correlation_id, event_id, created_at, expires_at)
    values ($1, $2, 'pending', $3, $4, $5, $6, $7, $8, $9, $10) on conflict do nothing returning 1
"""
COMPILATION: Final = (
    """compilation_id, episode_id, rev, state, progress, project_id, owner_id, correlation_id, event_id"""
)
_CLOSE: Final = f"""
    update compilations set state = $2, problem = $3, rev = rev + 1
    where compilation_id = $1 and state in ('pending', 'processing') returning {COMPILATION}
"""
_CONFORMED: Final = """
    select facts->>'source' as source from pieces
    where kind = 'clip' and made_at is not null and not deleting
      and facts->>'source' = any($1::text[]) and facts->>'output' = $2
"""


async def enqueue_prepare(connection: Connection, episode_id: str) -> None:
    job_id = str(uuid5(_PREPARE_IDS, episode_id))
    new = await jobs.enqueue(connection, job_id, PREPARE, payload={"episode_id": episode_id}, fair_key=episode_id)
    if not new:  # perhaps postponed, but there is work now
        await connection.execute("update jobs set run_at = now() where job_id = $1 and token is null", job_id)


async def renew_prepare(connection: Connection, episode_id: str) -> None:
    """Renders ahead again after a change. The row's lock keeps a job that is just ending from missing the change."""
    if await connection.fetchval(_RENEW, episode_id):
        await enqueue_prepare(connection, episode_id)


async def versions_of(connection: Connection, request: CompileRequested) -> dict[str, PinnedMedia]:
    """By version id, those that the request pins and whose `complete` event has arrived. Empty for a request that
    carries its texts."""
    if not request.texts_in_complete:
        return {}
    rows = await connection.fetch(_VERSIONS, list({pinned.version_id for pinned in pinned_media(request)}))
    return {row["version_id"]: PinnedMedia.model_validate(row["media"]) for row in rows}


class CompilationRepository:
    """Everything that consumers read and write. Without `render_ahead` no episode is prepared."""

    def __init__(self, connection: Connection, publisher: Publisher, *, render_ahead: bool = True) -> None:
        self._db = connection
        self._publisher = publisher
        self._render_ahead = render_ahead

    async def is_deleted(self, asset_id: str) -> bool:
        """If not, the asset is not deleted before the transaction ends."""
        await inbox.lock_subject(self._db, asset_id, shared=True)
        return bool(await self._db.fetchval("select 1 from deleted_assets where asset_id = $1", asset_id))

    async def tombstone(self, asset_ids: Sequence[str]) -> None:
        """Takes the assets' commits away; later events do not record them until the assets are restored."""
        await inbox.lock_subjects(self._db, asset_ids)
        await self._db.execute(_TOMBSTONE, list(asset_ids))
        await self._db.execute(
            "update versions set superseded_at = now() where asset_id = any($1::uuid[]) and superseded_at is null",
            list(asset_ids),
        )

    async def keep_commit(self, episode_id: str, commit_seq: int, media: PinnedMedia) -> None:
        """Remembers what is committed of a deleted asset."""
        await self._db.execute(_KEEP, media.asset_id, episode_id, commit_seq, media.model_dump(mode="json"))

    async def restore(self, asset_ids: Sequence[str]) -> None:
        """What was committed of the deleted assets is committed again."""
        await inbox.lock_subjects(self._db, asset_ids)
        await self._db.execute(_RESTORE, list(asset_ids))

    async def record_commit(self, episode_id: str, commit_seq: int, media: PinnedMedia) -> bool:
        """Stores the asset's committed version; False if a later commit is known."""
        stored = media.model_dump(mode="json")
        return bool(
            await self._db.fetchval(_RECORD_COMMIT, media.asset_id, episode_id, commit_seq, stored, media.version_id)
        )

    async def with_known_texts(self, request: CompileRequested) -> CompileRequested:
        return with_texts(request, await versions_of(self._db, request))

    async def store_timeline(self, timeline: EpisodeChanged) -> bool:
        """False if a later version is known."""
        stored = timeline.model_dump(mode="json")
        return bool(
            await self._db.fetchval(
                _STORE_TIMELINE, timeline.episode_id, timeline.timeline_version, timeline.deleted, stored
            )
        )

    async def prepare(self, episode_id: str) -> None:
        """Enqueues rendering ahead after a change. Does nothing for an episode without a timeline."""
        if self._render_ahead:
            await renew_prepare(self._db, episode_id)

    async def admit(self, request: CompileRequested, cause: Cause, estimate_s: float, now: datetime) -> bool:
        """Inserts a pending compilation and its job; False if it exists already."""
        await inbox.lock_subject(self._db, request.compilation_id)
        new = await self._db.fetchval(
            _ADMIT,
            request.compilation_id,
            request.episode_id,
            estimate_s,
            request.model_dump(mode="json"),
            cause.project_id,
            cause.owner_id,
            cause.correlation_id,
            cause.causation_id,
            now,
            request.expires_at,
        )
        if new:
            await jobs.enqueue(self._db, request.compilation_id, COMPILE, fair_key=cause.project_id)
        return bool(new)

    async def cancel(self, compilation_id: str) -> Compilation | None:
        """Pending or processing -> cancelled, with its job removed; None if the compilation was not open."""
        return await self._close(compilation_id, FilmState.CANCELLED, None)

    async def fail(self, compilation_id: str, problem: Problem) -> Compilation | None:
        return await self._close(compilation_id, FilmState.FAILED, problem)

    async def exists(self, compilation_id: str) -> bool:
        """If not, it is not admitted before the transaction ends either."""
        return await inbox.is_known(self._db, "select 1 from compilations where compilation_id = $1", compilation_id)

    async def open_of(self, episode_id: str) -> list[str]:
        rows = await self._db.fetch(
            "select compilation_id from compilations where episode_id = $1 and state in ('pending', 'processing')",
            episode_id,
        )
        return [r["compilation_id"] for r in rows]

    async def expired(self, now: datetime) -> list[str]:
        rows = await self._db.fetch(
            "select compilation_id from compilations where state in ('pending', 'processing') and expires_at < $1", now
        )
        return [r["compilation_id"] for r in rows]

    async def queue_length(self) -> int:
        return int(await self._db.fetchval("select count(*) from compilations where state = 'pending'"))

    async def conformed(self, sources: Sequence[str], output: Output) -> set[str]:
        """Which of these sources (sha256) have a conformed clip for this output."""
        return {r["source"] for r in await self._db.fetch(_CONFORMED, list(sources), output_name(output))}

    async def render_speed(self) -> dict[str, float]:
        """Measured seconds per unit of work, by kind."""
        return {r["kind"]: r["seconds_per_unit"] for r in await self._db.fetch("select * from render_speed")}

    async def park(self, compilation_id: str, message: Message[Any]) -> None:
        await inbox.park(self._db, compilation_id, message)

    async def unpark(self, compilation_id: str) -> list[Message[Any]]:
        return list(await inbox.unpark(self._db, compilation_id))

    async def publish(self, event: Event, cause: Cause) -> None:
        await outbox.publish(self._db, [self._publisher.message(event, cause)])

    async def _close(self, compilation_id: str, state: FilmState, problem: Problem | None) -> Compilation | None:
        """Locks the job first and then its compilation, in the same order as a worker that reports progress."""
        await jobs.cancel(self._db, compilation_id)
        stored = problem.model_dump(mode="json") if problem else None
        row = await self._db.fetchrow(_CLOSE, compilation_id, state, stored)
        if row is None:
            return None
        metrics.COMPILATIONS.labels(state.value).inc()
        await self.prepare(row["episode_id"])
        return compilation(row)


def compilation(row: asyncpg.Record) -> Compilation:
    cause = Cause(row["project_id"], row["owner_id"], row["correlation_id"], row["event_id"])
    return Compilation(
        row["compilation_id"], row["episode_id"], row["rev"], FilmState(row["state"]), row["progress"], cause
    )
