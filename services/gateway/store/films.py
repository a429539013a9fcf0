"""Films: the snapshot that a film is made from, and its state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from services.gateway.domain.films import Film, FilmParts, FilmSegment, FilmSource, scene_title
from services.gateway.domain.messages import Message
from services.gateway.domain.timestamps import strictly_after
from services.gateway.store.sql import insert, update
from shared.contracts.events.compiler import FilmState, FilmUpdated
from shared.contracts.events.gateway import CompileRequested
from shared.contracts.values import Actor, Media, ObjectRef, Output, TransitionStyle
from shared.postgres.pool import Connection

# A single statement, so that it sees one state of the episode, whatever is committed or reordered at the same time.
_SNAPSHOT: Final = """
    with sources as (
        select a.asset_id, a.segment_id, a.kind, a.committed_version_id, v.object, v.media,
               (select r.run_id from runs r where r.run_id = a.active_run_id and r.status = 'accepted') as committing
        from assets a left join versions v on v.version_id = a.committed_version_id
        where a.episode_id = $1 and a.deleted_at is null and a.kind in ('video', 'narration', 'music')
    )
    select e.project_id, p.owner_id, e.timeline_version, e.output,
           (select coalesce(jsonb_agg(jsonb_build_object(
                       'segment_id', s.segment_id, 'number', s.number, 'transition_after', s.transition_after,
                       'scene', s.scene_info,
                       'video', (select to_jsonb(x) from sources x
                                 where x.segment_id = s.segment_id and x.kind = 'video'),
                       'narration', (select to_jsonb(x) from sources x
                                     where x.segment_id = s.segment_id and x.kind = 'narration')
                   ) order by s.number), '[]')
            from segments s where s.episode_id = e.episode_id and s.deleted_at is null) as segments,
           (select to_jsonb(x) from sources x where x.kind = 'music') as music
    from episodes e join projects p using (project_id)
    where e.episode_id = $1 and e.deleted_at is null
"""
_FILM: Final = """
    select c.compilation_id, c.project_id, p.owner_id, c.episode_id, c.state, c.rev, c.actor, c.updated_at
    from compilations c join projects p using (project_id)
    where c.compilation_id = $1 for no key update of c
"""
_APPLY: Final = """
    update compilations set state = $2, rev = $3, progress = $4, message_code = $5,
        estimated_duration_s = coalesce($6, estimated_duration_s), object = coalesce($7, object),
        poster = coalesce($8, poster), media = coalesce($9, media),
        segments_included = coalesce($10, segments_included), report = coalesce($11, report), warnings = $12,
        provenance = coalesce($13, provenance), error = $14, completed_at = coalesce($15, completed_at),
        updated_at = $16, files = files || $17,
        unsigned = coalesce(unsigned, $18),
        signed_at = coalesce(signed_at, case when $18::jsonb is not null then $16::timestamptz end)
    where compilation_id = $1
"""


class FilmRepository:
    def __init__(self, connection: Connection) -> None:
        self._db = connection

    async def snapshot(self, episode_id: str) -> FilmParts | None:
        """Everything that a film can use, at one moment."""
        row = await self._db.fetchrow(_SNAPSHOT, episode_id)
        if row is None:
            return None
        return FilmParts(
            episode_id=episode_id,
            project_id=row["project_id"],
            owner_id=row["owner_id"],
            timeline_version=row["timeline_version"],
            output=Output(**row["output"]),
            segments=tuple(_segment(s) for s in row["segments"]),
            music=_source(row["music"]),
        )

    async def insert(
        self,
        request: CompileRequested,
        project_id: str,
        transition_style: TransitionStyle | None,
        left_out: Sequence[Mapping[str, Any]],
        estimated_duration_s: float,
        queued: Message,
        at: datetime,
    ) -> None:
        await insert(
            self._db,
            "compilations",
            {
                "compilation_id": request.compilation_id,
                "project_id": project_id,
                "episode_id": request.episode_id,
                "batch_id": request.batch_id,
                "request": request.model_dump(mode="json"),
                "transition_style": transition_style,
                "message_code": queued.code,
                "left_out": [dict(row) for row in left_out],
                "estimated_duration_s": estimated_duration_s,
                "expires_at": request.expires_at,
                "actor": request.actor.model_dump(),
                "created_at": at,
                "updated_at": at,
            },
        )

    async def lock(self, compilation_id: str) -> Film | None:
        row = await self._db.fetchrow(_FILM, compilation_id)
        return Film(**dict(row) | {"state": FilmState(row["state"]), "actor": Actor(**row["actor"])}) if row else None

    async def apply(self, film: Film, event: FilmUpdated, code: str, at: datetime) -> datetime:
        """`code`: of the message that describes the film now. Returns the new `updated_at`, which is later than the old
        one."""
        updated_at, data = strictly_after(film.updated_at, at), event.model_dump(mode="json")
        completed_at = event.completed_at or (updated_at if event.state is FilmState.COMPLETED else None)
        await self._db.execute(
            _APPLY,
            film.compilation_id,
            event.state,
            event.rev,
            event.progress,
            code,
            event.estimated_duration_s,
            data["object"],
            data["poster"],
            data["media"],
            event.segments_included,
            data["report"],
            event.warnings,
            event.provenance,
            data["problem"],
            completed_at,
            updated_at,
            data["files"],
            data["unsigned"],
        )
        return updated_at

    async def hand_over(self, compilation_id: str, at: datetime) -> None:
        """Keeps the time of the first hand-over."""
        await self._db.execute(
            "update compilations set handed_over_at = $2 where compilation_id = $1 and handed_over_at is null",
            compilation_id,
            at,
        )

    async def save(self, compilation_id: str, at: datetime, **changes: Any) -> None:
        await update(self._db, "compilations", "compilation_id", compilation_id, {"updated_at": at, **changes})


def _segment(row: Mapping[str, Any]) -> FilmSegment:
    video = _source(row["video"])
    assert video is not None, "every segment has a video asset"
    return FilmSegment(
        row["segment_id"],
        row["number"],
        row["transition_after"],
        video,
        _source(row["narration"]),
        scene_title(row["scene"]),
    )


def _source(row: Mapping[str, Any] | None) -> FilmSource | None:
    if row is None:
        return None
    return FilmSource(
        asset_id=row["asset_id"],
        committing=row["committing"],
        version_id=row["committed_version_id"],
        object=ObjectRef(**row["object"]) if row["object"] else None,
        media=Media(**(row["media"] or {})),
    )
