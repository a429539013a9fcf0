"""Episodes: the snapshot that clients refresh from, their order and history, imports, batches, films."""

from __future__ import annotations

from typing import Any, Final

from services.gateway.api.schemas.batches import Batch, BatchItem, BatchList
from services.gateway.api.schemas.episodes import (
    Episode,
    EpisodeOutline,
    EpisodeSummary,
    EpisodeSummaryList,
    Order,
    Revision,
    RevisionList,
)
from services.gateway.api.schemas.imports import Import
from services.gateway.domain.batches import BatchStatus
from services.gateway.domain.event_log import EventId, Place
from services.gateway.domain.messages import Message, said
from services.gateway.domain.paging import Page
from services.gateway.queries.base import Filter, Row, failure
from services.gateway.queries.segments import SegmentQueries

_EPISODE: Final = """
    select t.*, s.epoch::text as epoch, p.seq as place, p.tag
    from episodes t, event_stream s, event_place() p where t.episode_id = $1 and t.deleted_at is null
"""
_LIST: Final = """
    select t.*, first.version_id, first.poster, first.committed_at,
           (select count(*) from segments s where s.episode_id = t.episode_id and s.deleted_at is null) as segment_count
    from episodes t
    left join lateral (
        select v.version_id, v.poster, v.committed_at
        from segments s join assets a on a.segment_id = s.segment_id and a.kind in ('video', 'starting_image')
        join versions v on v.version_id = a.committed_version_id
        where s.episode_id = t.episode_id and s.deleted_at is null and v.poster is not null
        order by s.number, a.kind desc limit 1
    ) first on true
    where t.project_id = $1 and t.deleted_at is null
"""
_ORDER: Final = """
    select e.order_revision, coalesce(array_agg(s.segment_id order by s.number) filter (where s.segment_id is not null),
                                      '{}') as segment_ids
    from episodes e left join segments s on s.episode_id = e.episode_id and s.deleted_at is null
    where e.episode_id = $1 and e.deleted_at is null group by e.episode_id
"""
_REVISIONS: Final = """
    select t.*, (select count(*) from episode_revisions o where o.episode_id = t.episode_id and o.id <= t.id) as number
    from episode_revisions t where t.episode_id = $1
"""
_IMPORT: Final = "select t.* from imports t where t.import_id = $1"
_BATCH: Final = "select t.* from batches t "
_ITEMS: Final = """
    select i.*, s.number from batch_items i left join segments s on s.segment_id = i.segment_id
    where i.batch_id = any($1::uuid[]) order by s.number nulls last, i.asset_id
"""


class EpisodeQueries(SegmentQueries):
    async def episode(self, episode_id: str) -> Episode:
        """Read in one snapshot: whoever opens a stream at `cursor` misses nothing and gets nothing twice."""
        row = await self._one("episode", _EPISODE, episode_id)
        segments, assets = await self._segments_of(episode_id), await self._assets_of(episode_id)
        return Episode(
            **_head(row),
            updated_at=max(row["updated_at"], *(x.updated_at for x in segments), *(x.updated_at for x in assets)),
            segments=segments,
            assets=assets,
            cursor=str(EventId(row["epoch"], Place(row["place"], row["tag"]))),
        )

    async def outline(self, episode_id: str) -> EpisodeOutline:
        """In one snapshot, as `episode`."""
        row = await self._one("episode", _EPISODE, episode_id)
        segments, assets = await self._segment_outlines(episode_id), await self._asset_outlines(episode_id)
        return EpisodeOutline(
            **_head(row),
            updated_at=max(row["updated_at"], *(x.updated_at for x in segments), *(x.updated_at for x in assets)),
            segments=segments,
            assets=assets,
            cursor=str(EventId(row["epoch"], Place(row["place"], row["tag"]))),
        )

    async def episodes(self, project_id: str, page: Page) -> EpisodeSummaryList:
        rows, following = await self._page(
            _LIST, [project_id], page, by="t.episode_id", filters={"episode_id": Filter("t.episode_id")}
        )
        return EpisodeSummaryList(data=[self._summary(r) for r in rows], next_cursor=following)

    def _summary(self, row: Row) -> EpisodeSummary:
        poster = row["poster"] and self._links.committed("versions", row["version_id"], "poster", row["committed_at"])
        return EpisodeSummary(
            **_head(row), updated_at=row["updated_at"], segment_count=row["segment_count"], thumbnail_url=poster
        )

    async def order(self, episode_id: str) -> Order:
        row = await self._one("episode", _ORDER, episode_id)
        return Order(segment_ids=row["segment_ids"], revision=row["order_revision"])

    async def revisions(self, episode_id: str, page: Page) -> RevisionList:
        rows, following = await self._page(_REVISIONS, [episode_id], page, by="t.id")
        revisions = [
            Revision(
                number=r["number"],
                episode_id=episode_id,
                change=r["change"],
                details=r["details"],
                actor=r["actor"],
                created_at=r["created_at"],
            )
            for r in rows
        ]
        return RevisionList(data=revisions, next_cursor=following)

    async def import_(self, import_id: str) -> Import:
        row = await self._one("import", _IMPORT, import_id)
        return Import(
            id=row["import_id"],
            project_id=row["project_id"],
            episode_id=row["episode_id"],
            source=row["source"],
            status=row["status"],
            percent=row["percent"],
            warnings=row["warnings"],
            error=failure(row["error"]),
            created_at=row["created_at"],
            updated_at=row["updated_at"],
        )

    async def batches(self, episode_id: str, page: Page) -> BatchList:
        rows, following = await self._page(
            _BATCH + "where t.episode_id = $1",
            [episode_id],
            page,
            by="t.batch_id",
            filters={"status": Filter("t.status", tuple(BatchStatus)), "batch_id": Filter("t.batch_id")},
        )
        return BatchList(data=await self._batches(rows), next_cursor=following)

    async def batch(self, batch_id: str) -> Batch:
        return (await self._batches([await self._one("batch", _BATCH + "where t.batch_id = $1", batch_id)]))[0]

    async def _batches(self, rows: list[Row]) -> list[Batch]:
        items: dict[str, list[BatchItem]] = {}
        for item in await self._connection.fetch(_ITEMS, [r["batch_id"] for r in rows]):
            items.setdefault(item["batch_id"], []).append(_item(item))
        return [_batch(r, items.get(r["batch_id"], [])) for r in rows]


def _head(row: Row) -> dict[str, Any]:
    """What an episode shows everywhere, except `updated_at`."""
    return {
        "id": row["episode_id"],
        "project_id": row["project_id"],
        "title": row["title"],
        "description": row["description"],
        "output": row["output"],
        "order_revision": row["order_revision"],
        "revision": row["revision"],
        "created_at": row["created_at"],
    }


def _item(row: Row) -> BatchItem:
    return BatchItem(
        asset_id=row["asset_id"],
        segment_id=row["segment_id"],
        segment_number=row["number"],
        kind=row["kind"],
        state=row["state"],
        run_id=row["run_id"],
        problem=failure(row["problem"]),
    )


def _batch(row: Row, items: list[BatchItem]) -> Batch:
    return Batch(
        id=row["batch_id"],
        project_id=row["project_id"],
        episode_id=row["episode_id"],
        mode=row["mode"],
        batch_size=row["batch_size"],
        start_from=row["start_from"],
        auto_approve=row["auto_approve"],
        review=row["review"],
        segment_ids=row["segment_ids"],
        status=row["status"],
        completed=row["completed"],
        approved=row["approved"],
        failed=row["failed"],
        total=row["total"],
        current_segment=row["current_segment"],
        failed_segments=row["failed_segments"],
        **said(Message.stored(row["message_code"], row["message_args"])),
        items=items,
        compilation_job_id=row["compilation_id"],
        error=failure(row["error"]),
        finished_at=row["finished_at"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
