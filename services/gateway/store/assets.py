"""Assets: their locks, drafts and committed versions, and what a new run builds on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import asyncpg

from services.gateway.domain.assets import Asset, Draft, NewAsset, RunBase
from services.gateway.domain.episodes import Episode
from services.gateway.domain.projects import Project
from services.gateway.domain.settings import reference_ids
from services.gateway.store.episodes import asset_values
from services.gateway.store.sql import insert_many
from services.gateway.store.versions import version_of
from shared.contracts.values import AssetKind, ObjectRef, Output
from shared.postgres.deferred_writes import defer, flush_with
from shared.postgres.pool import Connection

_ASSET: Final = """
    select a.asset_id, a.project_id, p.owner_id, a.episode_id, a.segment_id, s.number as segment_number, a.kind,
           a.label, a.draft, a.active_run_id, a.committed_version_id, a.revision
    from assets a join projects p using (project_id) left join segments s on s.segment_id = a.segment_id
    where a.deleted_at is null
"""
_BASE: Final = """
    select a.asset_id, p.project_id, p.owner_id, p.name, p.description, p.settings, p.settings_revision, p.revision,
           e.output, s.duration as segment_duration, s.style as segment_style, s.characters as segment_characters,
           image.committed_version_id as starting_image_version_id,
           previous.asset_id as previous_video_asset_id, to_jsonb(v) as committed,
           committing.run_id as committing_image_run_id
    from assets a
    join projects p using (project_id)
    join episodes e on e.episode_id = a.episode_id
    left join segments s on s.segment_id = a.segment_id
    left join assets image on image.segment_id = a.segment_id and image.kind = 'starting_image'
    left join runs committing on committing.run_id = image.active_run_id and committing.status = 'accepted'
    left join segments before on before.episode_id = a.episode_id and before.number = s.number - 1
    left join assets previous on previous.segment_id = before.segment_id and previous.kind = 'video'
    left join versions v on v.version_id = a.committed_version_id
"""
_ONE: Final = "a.asset_id = $1"
_ONE_OF: Final = "a.asset_id = any($1::uuid[])"
_NARRATIONS: Final = """
    select left(coalesce(nullif(a.draft ->> 'directions', ''), v.directions), 2000) as script
    from assets a join segments s on s.segment_id = a.segment_id
    left join versions v on v.version_id = a.committed_version_id
    where a.episode_id = $1 and a.kind = 'narration' and a.deleted_at is null
      and coalesce(nullif(a.draft ->> 'directions', ''), v.directions) <> ''
    order by s.number
"""
_TAKE: Final = """
    update assets set run_count = run_count + 1, active_run_id = coalesce($2, active_run_id), updated_at = $3
    where asset_id = $1 returning run_count
"""
_COMMIT: Final = """
    update assets a
    set active_run_id = nullif(a.active_run_id, $2), updated_at = $5,
        draft = case when newer.applies then coalesce($6::jsonb, a.draft) else a.draft end,
        committed_version_id = case when newer.applies then $3 else a.committed_version_id end,
        commit_seq = case when newer.applies then $4 else a.commit_seq end,
        committed_at = case when newer.applies then $5 else a.committed_at end
    from (select commit_seq < $4 as applies from assets where asset_id = $1) newer
    where a.asset_id = $1 and (newer.applies or a.active_run_id = $2) returning newer.applies
"""
_STALE: Final = """
    update assets video set stale_since = case when now.stale then coalesce(video.stale_since, $2) end, updated_at = $2
    from (select v.asset_id,
                 coalesce(version.starting_image_version_id <> image.committed_version_id, false) as stale
          from assets v
          left join versions version on version.version_id = v.committed_version_id
          left join assets image on image.segment_id = v.segment_id and image.kind = 'starting_image'
          where v.segment_id = $1 and v.kind = 'video') now
    where video.asset_id = now.asset_id and now.stale <> (video.stale_since is not null)
    returning video.asset_id
"""


class AssetRepository:
    def __init__(self, connection: Connection) -> None:
        self._db = connection

    async def insert(self, episode: Episode, segment_id: str | None, assets: Sequence[NewAsset], at: datetime) -> None:
        await insert_many(self._db, "assets", [asset_values(episode, segment_id, asset, at) for asset in assets])

    async def lock(self, asset_id: str) -> Asset | None:
        """None if it is absent or deleted."""
        return _asset(await self._db.fetchrow(f"{_ASSET} and {_ONE} for no key update of a", asset_id))

    async def get(self, asset_id: str) -> Asset | None:
        """None if it is absent or deleted. Others may change it meanwhile."""
        return _asset(await self._db.fetchrow(f"{_ASSET} and {_ONE}", asset_id))

    async def of_segment(self, segment_id: str, kind: AssetKind) -> str | None:
        found: str | None = await self._db.fetchval(
            "select asset_id from assets where segment_id = $1 and kind = $2 and deleted_at is null", segment_id, kind
        )
        return found

    async def base_of(self, asset_id: str) -> RunBase:
        """What a new run of the asset builds on. The caller has locked the asset."""
        row = await self._db.fetchrow(f"{_BASE} where {_ONE}", asset_id)
        assert row is not None, "the caller has locked the asset"
        return _base(row, await self._references(row["project_id"], reference_ids(row["settings"])))

    async def with_bases(self, project_id: str, asset_ids: Sequence[str]) -> dict[str, tuple[Asset, RunBase]]:
        """Those of the project's assets that are there, each with what a new run of it builds on. Others may change
        them meanwhile."""
        assets = await self._db.fetch(f"{_ASSET} and {_ONE_OF}", asset_ids)
        bases = {row["asset_id"]: row for row in await self._db.fetch(f"{_BASE} where {_ONE_OF}", asset_ids)}
        settings: dict[str, Any] = next((row["settings"] for row in bases.values()), {})
        references = await self._references(project_id, reference_ids(settings))
        return {
            asset.asset_id: (asset, _base(bases[asset.asset_id], references)) for asset in map(_asset, assets) if asset
        }

    async def narrations(self, episode_id: str) -> list[str]:
        """The beginnings of the scripts of the episode's narrations, in film order: drafted, else committed."""
        return await narration_scripts(self._db, episode_id)

    async def _references(self, project_id: str, upload_ids: Sequence[str]) -> dict[str, ObjectRef]:
        if not upload_ids:
            return {}
        rows = await self._db.fetch(
            "select upload_id, object from uploads where project_id = $1 and upload_id = any($2::uuid[])",
            project_id,
            list(upload_ids),
        )
        return {r["upload_id"]: ObjectRef(**r["object"]) for r in rows}

    async def begin_run(self, asset_id: str, run_id: str | None, at: datetime) -> int:
        """Counts one more run and returns its number. With `run_id`, that run gets the asset's lock; the caller has
        seen that the lock is free."""
        found: int = await self._db.fetchval(_TAKE, asset_id, run_id, at)
        return found

    async def release(self, asset_id: str, run_id: str, at: datetime) -> None:
        """Frees the lock if that run holds it."""
        await defer(
            self._db,
            "assets",
            "update assets set active_run_id = null, updated_at = $3 where asset_id = $1 and active_run_id = $2",
            asset_id,
            run_id,
            at,
        )

    async def hand_over(self, asset_id: str, run_id: str, next_run_id: str, at: datetime) -> None:
        await defer(
            self._db,
            "assets",
            "update assets set active_run_id = $3, updated_at = $4 where asset_id = $1 and active_run_id = $2",
            asset_id,
            run_id,
            next_run_id,
            at,
        )

    async def save_draft(self, asset_id: str, draft: Draft | None, edited_at: datetime) -> None:
        """Raises the asset's revision, because a person has edited the draft."""
        await self._db.execute(
            "update assets set draft = $2, revision = revision + 1, updated_at = $3 where asset_id = $1",
            asset_id,
            draft,
            edited_at,
        )

    async def commit(
        self, asset_id: str, run_id: str, version_id: str, commit_seq: int, draft: Draft | None, at: datetime
    ) -> bool:
        """Makes the version the committed one and, unless it is None, `draft` the new draft; the run frees the lock.
        False if this commit or a later one was applied before: then only the lock is freed."""
        rows = await flush_with(self._db, "assets", _COMMIT, asset_id, run_id, version_id, commit_seq, at, draft)
        return bool(rows and rows[0]["applies"])

    async def mark_stale(self, segment_id: str, at: datetime) -> list[str]:
        """Recomputes whether the segment's video is stale. Returns the video's asset id if that has changed."""
        return [r["asset_id"] for r in await flush_with(self._db, "assets", _STALE, segment_id, at)]


async def narration_scripts(connection: Connection, episode_id: str) -> list[str]:
    return [r["script"] for r in await connection.fetch(_NARRATIONS, episode_id)]


def _asset(row: asyncpg.Record | None) -> Asset | None:
    return Asset(**dict(row) | {"kind": AssetKind(row["kind"])}) if row else None


def _base(row: asyncpg.Record, references: dict[str, ObjectRef]) -> RunBase:
    return RunBase(
        project=Project(**{name: row[name] for name in Project.__dataclass_fields__}),
        output=Output(**row["output"]),
        references=references,
        committed=version_of(row["committed"]),
        segment_duration=row["segment_duration"],
        starting_image_version_id=row["starting_image_version_id"],
        previous_video_asset_id=row["previous_video_asset_id"],
        committing_image_run_id=row["committing_image_run_id"],
        segment_style=row["segment_style"],
        segment_characters=row["segment_characters"],
    )
