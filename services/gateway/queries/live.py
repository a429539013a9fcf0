"""What a stream begins with, and the objects that media URLs name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from services.gateway.api.schemas.events import SnapshotBatch, SnapshotCompilation, SnapshotEvent, SnapshotRun
from services.gateway.domain.errors import not_found
from services.gateway.domain.event_log import Place
from services.gateway.domain.media import MediaFile
from services.gateway.domain.messages import Message, said
from services.gateway.domain.runs import ACTIVE
from services.gateway.domain.shares import GUEST, is_guest
from services.gateway.domain.timestamps import rfc3339
from services.gateway.queries.base import QueryBase, Row
from services.gateway.queries.films import GONE
from shared.contracts.values import ObjectRef

_PROJECT_IDS: Final = """
    select m.project_id from members m join projects p on p.project_id = m.project_id
    where m.user_id = $1 and p.deleted_at is null
"""
_PLACE: Final = "select seq, tag from event_place()"
_RUNS: Final = """
    select t.*, s.number as segment_number from runs t
    join assets a on a.asset_id = t.asset_id and a.deleted_at is null
    left join segments s on s.segment_id = t.segment_id
    where t.project_id = any($1::uuid[]) and ($2::uuid is null or t.episode_id = $2) and t.status = any($3::text[])
      and not t.held
    order by t.run_id
"""
_BATCHES: Final = """
    select t.* from batches t where t.project_id = any($1::uuid[]) and ($2::uuid is null or t.episode_id = $2)
      and t.status in ('running', 'waiting_review', 'paused') order by t.batch_id
"""
_FILMS: Final = """
    select t.* from compilations t
    where t.project_id = any($1::uuid[]) and ($2::uuid is null or t.episode_id = $2)
      and t.state in ('pending', 'processing') order by t.compilation_id
"""
_MEMBER: Final = "join members m on m.project_id = t.project_id and m.user_id = $2"
_GUEST: Final = f"""join shares m on m.episode_id = t.episode_id and $2 = '{GUEST}' || m.share_id
        and m.revoked_at is null and m.expires_at > now()"""
_VERSION: Final = """
    select t.number, t.kind, a.label, t.retired_at, t.object as content, t.poster, t.filmstrip,
           coalesce(t.proxy, case when t.kind = 'video' then t.object end) as proxy,  -- most need none
           case when t.media ->> 'audio_codec' is not null then coalesce(t.proxy, t.object) end as peaks
    from versions t join assets a on a.asset_id = t.asset_id
    {reader}
    join projects p on p.project_id = t.project_id and p.deleted_at is null
    where t.version_id = $1 and a.deleted_at is null
"""
_FILM: Final = """
    select e.title, t.object as content, t.poster, t.files, t.provenance, t.completed_at,
           t.unsigned, t.signed_at, {gone} as gone
    from compilations t join episodes e on e.episode_id = t.episode_id and e.deleted_at is null
    {reader}
    join projects p on p.project_id = t.project_id and p.deleted_at is null
    where t.compilation_id = $1
"""
_UPLOAD: Final = """
    select t.filename, t.deleted_at, t.object as content
    from uploads t {reader}
    join projects p on p.project_id = t.project_id and p.deleted_at is null
    where t.upload_id = $1
"""


class LiveQueries(QueryBase):
    async def project_ids(self) -> list[str]:
        return [r["project_id"] for r in await self._connection.fetch(_PROJECT_IDS, self._links.user_id)]

    async def snapshot(self, project_ids: Iterable[str], episode_id: str | None = None) -> tuple[Place, SnapshotEvent]:
        """What is active or waits for a decision, and the place in the log where it was read. `episode_id`: of that
        episode alone."""
        ids = list(project_ids)
        place = await self._connection.fetchrow(_PLACE)
        assert place is not None, "a function with out parameters returns a row"
        runs = await self._connection.fetch(_RUNS, ids, episode_id, sorted(ACTIVE))
        batches = await self._connection.fetch(_BATCHES, ids, episode_id)
        films = await self._connection.fetch(_FILMS, ids, episode_id)
        event = SnapshotEvent(
            runs=[_run(r) for r in runs],
            batches=[_batch(r) for r in batches],
            compilations=[_film(r) for r in films],
        )
        return Place(place["seq"], place["tag"]), event

    async def media(self, collection: str, object_id: str, rendition: str, tag: str | None = None) -> MediaFile:
        """The file that the URL with this `v` names; without one, the newest. Refusal not-found: no such rendition, or
        the caller may not see it."""
        guest = is_guest(self._links.user_id)
        if guest and collection == "uploads":  # they belong to no episode
            raise not_found("upload")
        sql = {"versions": _VERSION, "films": _FILM, "uploads": _UPLOAD}[collection]
        sql = sql.format(reader=_GUEST if guest else _MEMBER, gone=GONE)
        row = await self._connection.fetchrow(sql, object_id, self._links.user_id)
        if row is None:
            raise not_found(collection.removesuffix("s"))
        ref: Mapping[str, Any] | None = row.get(rendition) or (row.get("files") or {}).get(rendition)
        if not ref:
            raise not_found(rendition)
        fixed = True
        if (collection, rendition) == ("films", "content"):  # two files, each with its own tag
            began, signed_at = row["completed_at"], row["signed_at"]
            if signed_at and began and tag == rfc3339(began):
                ref = row["unsigned"]
            else:
                since = signed_at or began
                fixed = since is not None and tag == rfc3339(since)
        found = ObjectRef(**ref)
        extension = found.key.rpartition(".")[2] if "." in found.key else found.content_type.partition("/")[2]
        return MediaFile(
            found,
            _filename(collection, row, rendition, extension),
            bool(row.get("retired_at") or row.get("deleted_at") or row.get("gone")),
            unsigned=rendition == "content" and row.get("provenance") == "pending",
            fixed=fixed,
        )


def _filename(collection: str, row: Row, rendition: str, extension: str) -> str:
    if collection == "uploads":
        return str(row["filename"])
    base = row["title"] if collection == "films" else f"{row['label']} v{row['number']}"
    if "." in rendition:  # captions and timelines bear the film's name, as players and editors expect
        return f"{base}.{rendition.rpartition('.')[2]}"
    return f"{base}.{extension}" if rendition == "content" else f"{base} {rendition}.{extension}"


def _common(row: Row, status: str) -> dict[str, Any]:
    """The fields that every event has."""
    return {
        "project_id": row["project_id"],
        "episode_id": row["episode_id"],
        "status": status,
        **said(Message.stored(row["message_code"], row.get("message_args"))),
        "actor": row["actor"],
        "updated_at": row["updated_at"],
    }


def _run(row: Row) -> SnapshotRun:
    return SnapshotRun(
        **_common(row, row["status"]),
        run_id=row["run_id"],
        asset_id=row["asset_id"],
        kind=row["kind"],
        segment_id=row["segment_id"],
        segment_number=row["segment_number"],
        batch_id=row["batch_id"],
        source=row["source"],
        step=row["step"],
        percent=row["percent"],
        deadline=row["deadline"],
        version_ids=row["candidates"],
    )


def _batch(row: Row) -> SnapshotBatch:
    return SnapshotBatch(
        **_common(row, row["status"]),
        batch_id=row["batch_id"],
        completed=row["completed"],
        approved=row["approved"],
        failed=row["failed"],
        total=row["total"],
        current_segment=row["current_segment"],
    )


def _film(row: Row) -> SnapshotCompilation:
    return SnapshotCompilation(
        **_common(row, row["state"]),
        compilation_job_id=row["compilation_id"],
        progress=row["progress"],
        output_duration=(row["media"] or {}).get("duration_s"),
    )
