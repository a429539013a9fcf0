"""Episodes, their segments and timelines, and the history of their revisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import asyncpg

from services.gateway.domain.assets import NewAsset, asset_label
from services.gateway.domain.episodes import Episode
from services.gateway.domain.segments import DeletedSegment, NewSegment, Segment
from services.gateway.store.sql import insert, insert_later, insert_many, update
from shared.contracts.events.gateway import TimelineSegment
from shared.contracts.values import Actor, AssetKind, Output, SegmentType, Transition
from shared.postgres.pool import Connection

_EPISODE: Final = """
    select e.episode_id, e.project_id, p.owner_id, e.title, e.description, e.output, e.revision, e.order_revision,
           e.timeline_version
    from episodes e join projects p using (project_id)
    where e.episode_id = $1 and e.deleted_at is null for no key update of e
"""
_SEGMENT: Final = """
    select segment_id, episode_id, project_id, number, type, scene_info, duration, user_notes, transition_after,
           revision
    from segments where segment_id = $1 and deleted_at is null
"""
_TIMELINE: Final = """
    select s.segment_id, s.number, s.type, s.transition_after,
           max(a.asset_id::text) filter (where a.kind = 'video') as video,
           max(a.asset_id::text) filter (where a.kind = 'starting_image') as starting_image,
           max(a.asset_id::text) filter (where a.kind = 'narration') as narration
    from segments s join assets a using (segment_id)
    where s.episode_id = $1 and s.deleted_at is null
    group by s.segment_id order by s.number
"""
_NUMBER: Final = """
    update segments s set number = new.number, updated_at = $3
    from unnest($2::uuid[]) with ordinality as new(segment_id, number)
    where s.segment_id = new.segment_id and s.episode_id = $1 and s.number is distinct from new.number
    returning s.segment_id, s.number
"""
_LABEL: Final = """
    update assets a set label = new.label, updated_at = $4
    from unnest($1::uuid[], $2::text[], $3::text[]) as new(segment_id, kind, label)
    where a.segment_id = new.segment_id and a.kind = new.kind
"""
_SEGMENT_KINDS: Final = (AssetKind.VIDEO, AssetKind.STARTING_IMAGE, AssetKind.NARRATION)


class EpisodeRepository:
    def __init__(self, connection: Connection) -> None:
        self._db = connection

    async def insert(self, episode: Episode, at: datetime) -> None:
        await insert(
            self._db,
            "episodes",
            {
                "episode_id": episode.episode_id,
                "project_id": episode.project_id,
                "title": episode.title,
                "description": episode.description,
                "output": episode.output.model_dump(mode="json"),
                "revision": episode.revision,
                "order_revision": episode.order_revision,
                "timeline_version": episode.timeline_version,
                "created_at": at,
                "updated_at": at,
            },
        )

    async def lock(self, episode_id: str) -> Episode | None:
        row = await self._db.fetchrow(_EPISODE, episode_id)
        return Episode(**dict(row) | {"output": Output(**row["output"])}) if row else None

    async def save(self, episode_id: str, at: datetime, **changes: Any) -> None:
        await update(self._db, "episodes", "episode_id", episode_id, {"updated_at": at, **changes})

    async def add_revision(
        self, episode_id: str, change: str, actor: Actor, details: Mapping[str, Any], at: datetime
    ) -> None:
        """Adds an entry to the episode's history."""
        await insert_later(
            self._db,
            "episode_revisions",
            {
                "episode_id": episode_id,
                "change": change,
                "details": dict(details),
                "actor": actor.model_dump(),
                "created_at": at,
            },
        )

    async def delete(self, episode_id: str, at: datetime) -> list[str]:
        """Marks the episode and everything in it as deleted. Returns the ids of its assets."""
        await self._db.execute(
            "update segments set deleted_at = $2, number = null, updated_at = $2 "
            "where episode_id = $1 and deleted_at is null",
            episode_id,
            at,
        )
        rows = await self._db.fetch(
            "update assets set deleted_at = $2, updated_at = $2 where episode_id = $1 and deleted_at is null "
            "returning asset_id",
            episode_id,
            at,
        )
        await self.save(episode_id, at, deleted_at=at)
        return sorted(r["asset_id"] for r in rows)

    async def raise_timeline_version(self, episode_id: str) -> int:
        """Increments `timeline_version` and returns it."""
        found: int = await self._db.fetchval(
            "update episodes set timeline_version = timeline_version + 1 where episode_id = $1 "
            "returning timeline_version",
            episode_id,
        )
        return found

    async def timeline(self, episode_id: str) -> tuple[list[TimelineSegment], str | None]:
        """The segments in film order, and the asset id of the music."""
        rows = await self._db.fetch(_TIMELINE, episode_id)
        music: str | None = await self._db.fetchval(
            "select asset_id from assets where episode_id = $1 and kind = 'music' and deleted_at is null", episode_id
        )
        return [_timeline_segment(r) for r in rows], music

    async def insert_segments(self, episode: Episode, segments: Sequence[NewSegment], at: datetime) -> None:
        """Inserts the segments together with their assets."""
        await insert_many(
            self._db,
            "segments",
            [
                {
                    "segment_id": s.segment_id,
                    "episode_id": episode.episode_id,
                    "project_id": episode.project_id,
                    "number": s.number,
                    "type": s.type,
                    "scene_info": s.scene_info,
                    "duration": s.duration,
                    "transition_after": s.transition_after,
                    "scene_id": s.scene_id,
                    "shot_id": s.shot_id,
                    "style": s.style,
                    "characters": s.characters,
                    "user_notes": s.user_notes,
                    "created_at": at,
                    "updated_at": at,
                }
                for s in segments
            ],
        )
        await insert_many(
            self._db, "assets", [asset_values(episode, s.segment_id, asset, at) for s in segments for asset in s.assets]
        )

    async def segment(self, segment_id: str) -> Segment | None:
        row = await self._db.fetchrow(_SEGMENT, segment_id)
        return Segment(**dict(row) | {"type": SegmentType(row["type"])}) if row else None

    async def save_segment(self, segment_id: str, at: datetime, **changes: Any) -> None:
        await update(self._db, "segments", "segment_id", segment_id, {"updated_at": at, **changes})

    async def delete_segment(self, segment_id: str, at: datetime) -> list[str]:
        """Marks the segment and its assets as deleted, and keeps where it was. Returns the ids of the assets."""
        await self._db.execute(
            "update segments set deleted_at = $2, updated_at = $2, deleted_number = number, number = null "
            "where segment_id = $1",
            segment_id,
            at,
        )
        rows = await self._db.fetch(
            "update assets set deleted_at = $2, updated_at = $2 where segment_id = $1 and deleted_at is null "
            "returning asset_id",
            segment_id,
            at,
        )
        return sorted(r["asset_id"] for r in rows)

    async def deleted_segment(self, segment_id: str) -> DeletedSegment | None:
        """None if it is absent, or not deleted."""
        row = await self._db.fetchrow(
            "select segment_id, episode_id, project_id, deleted_number as number, deleted_at "
            "from segments where segment_id = $1 and deleted_at is not null",
            segment_id,
        )
        return DeletedSegment(**dict(row)) if row else None

    async def restore_segment(self, segment: DeletedSegment, number: int, at: datetime) -> list[str]:
        """Brings the segment back as number `number`, with the assets that were deleted together with it. Returns
        their ids."""
        await self.save_segment(segment.segment_id, at, deleted_at=None, deleted_number=None, number=number)
        rows = await self._db.fetch(
            "update assets set deleted_at = null, updated_at = $3 where segment_id = $1 and deleted_at = $2 "
            "returning asset_id",
            segment.segment_id,
            segment.deleted_at,
            at,
        )
        return sorted(r["asset_id"] for r in rows)

    async def segment_ids(self, episode_id: str) -> list[str]:
        """The ids of the episode's segments in film order."""
        rows = await self._db.fetch(
            "select segment_id from segments where episode_id = $1 and deleted_at is null order by number", episode_id
        )
        return [r["segment_id"] for r in rows]

    async def number_segments(self, episode_id: str, segment_ids: Sequence[str], at: datetime) -> None:
        """Numbers the segments from 1 in this order, and updates the labels of their assets."""
        renumbered = await self._db.fetch(_NUMBER, episode_id, list(segment_ids), at)
        names = [
            (r["segment_id"], kind.value, asset_label(kind, r["number"])) for r in renumbered for kind in _SEGMENT_KINDS
        ]
        await self._db.execute(_LABEL, [n[0] for n in names], [n[1] for n in names], [n[2] for n in names], at)


def asset_values(episode: Episode, segment_id: str | None, asset: NewAsset, at: datetime) -> dict[str, Any]:
    return {
        "asset_id": asset.asset_id,
        "project_id": episode.project_id,
        "episode_id": episode.episode_id,
        "segment_id": segment_id,
        "kind": asset.kind,
        "label": asset.label,
        "draft": asset.draft,
        "created_at": at,
        "updated_at": at,
    }


def _timeline_segment(row: asyncpg.Record) -> TimelineSegment:
    after = row["transition_after"]
    return TimelineSegment(
        segment_id=row["segment_id"],
        number=row["number"],
        type=row["type"],
        video_asset_id=row["video"],
        starting_image_asset_id=row["starting_image"],
        narration_asset_id=row["narration"],
        transition_after=Transition(**after) if after else None,
    )
