"""Episodes: the snapshot that clients refresh from, their order and history, imports, batches, films."""

from __future__ import annotations

from typing import Final

from services.gateway.domain.event_log import event_id
from services.gateway.domain.paging import Listing, Page
from services.gateway.queries.base import Json, Row, problem, times, when
from services.gateway.queries.segments import SegmentQueries
from shared.contracts.messages import message

_EPISODE: Final = """
    select t.*, (select epoch::text from event_stream) as epoch, event_cursor() as place
    from episodes t where t.episode_id = $1 and t.deleted_at is null
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
    async def episode(self, episode_id: str) -> Json:
        """Read in one snapshot: whoever opens a stream at `cursor` misses nothing and gets nothing twice."""
        row = await self._one("episode", _EPISODE, episode_id)
        segments, assets = await self._segments_of(episode_id), await self._assets_of(episode_id)
        return self._head(row) | {
            "segments": segments,
            "assets": assets,
            "cursor": event_id(row["epoch"], row["place"]),
            "updated_at": max([when(row["updated_at"]) or "", *(x["updated_at"] for x in (*segments, *assets))]),
        }

    async def episodes(self, project_id: str, page: Page) -> Listing:
        rows, following = await self._page(
            _LIST, [project_id], page, by="t.episode_id", filters={"episode_id": "t.episode_id"}
        )
        return Listing([self._summary(r) for r in rows], following)

    def _head(self, row: Row) -> Json:
        return {
            "id": row["episode_id"],
            "project_id": row["project_id"],
            "title": row["title"],
            "description": row["description"],
            "output": row["output"],
            "order_revision": row["order_revision"],
            "revision": row["revision"],
            **times(row),
        }

    def _summary(self, row: Row) -> Json:
        poster = row["poster"] and self._links.committed("versions", row["version_id"], "poster", row["committed_at"])
        return self._head(row) | {"segment_count": row["segment_count"], "thumbnail_url": poster}

    async def order(self, episode_id: str) -> Json:
        row = await self._one("episode", _ORDER, episode_id)
        return {"segment_ids": row["segment_ids"], "revision": row["order_revision"]}

    async def revisions(self, episode_id: str, page: Page) -> Listing:
        rows, following = await self._page(_REVISIONS, [episode_id], page, by="t.id")
        return Listing(
            [
                {
                    "number": r["number"],
                    "episode_id": episode_id,
                    "change": r["change"],
                    "details": r["details"],
                    "actor": r["actor"],
                    "created_at": when(r["created_at"]),
                }
                for r in rows
            ],
            following,
        )

    async def import_(self, import_id: str) -> Json:
        row = await self._one("import", _IMPORT, import_id)
        return {
            "id": row["import_id"],
            "project_id": row["project_id"],
            "episode_id": row["episode_id"],
            "source": row["source"],
            "status": row["status"],
            "percent": row["percent"],
            "warnings": row["warnings"],
            "error": problem(row["error"]),
            **times(row),
        }

    async def batches(self, episode_id: str, page: Page) -> Listing:
        rows, following = await self._page(
            _BATCH + "where t.episode_id = $1",
            [episode_id],
            page,
            by="t.batch_id",
            filters={"status": "t.status", "batch_id": "t.batch_id"},
        )
        return Listing(await self._batches(rows), following)

    async def batch(self, batch_id: str) -> Json:
        return (await self._batches([await self._one("batch", _BATCH + "where t.batch_id = $1", batch_id)]))[0]

    async def _batches(self, rows: list[Row]) -> list[Json]:
        items: dict[str, list[Json]] = {}
        for item in await self._connection.fetch(_ITEMS, [r["batch_id"] for r in rows]):
            items.setdefault(item["batch_id"], []).append(_item(item))
        return [_batch(r, items.get(r["batch_id"], [])) for r in rows]


def _item(row: Row) -> Json:
    return {
        "asset_id": row["asset_id"],
        "segment_id": row["segment_id"],
        "segment_number": row["number"],
        "kind": row["kind"],
        "state": row["state"],
        "run_id": row["run_id"],
        "problem": problem({"retryable": False} | row["problem"]) if row["problem"] else None,
    }


def _batch(row: Row, items: list[Json]) -> Json:
    said = message(row["message_code"], **row["message_args"]) if row["message_code"] else None
    return {
        "id": row["batch_id"],
        "project_id": row["project_id"],
        "episode_id": row["episode_id"],
        "mode": row["mode"],
        "batch_size": row["batch_size"],
        "start_from": row["start_from"],
        "auto_approve": row["auto_approve"],
        "review": row["review"],
        "segment_ids": row["segment_ids"],
        "status": row["status"],
        "completed": row["completed"],
        "approved": row["approved"],
        "failed": row["failed"],
        "total": row["total"],
        "current_segment": row["current_segment"],
        "message": said,
        "items": items,
        "compilation_job_id": row["compilation_id"],
        "error": problem(row["error"]),
        "finished_at": when(row["finished_at"]),
        **times(row),
    }
