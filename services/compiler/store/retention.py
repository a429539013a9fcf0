"""The SQL of retention: films, pieces, and the keys that rows refer to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Final

from services.compiler.domain.retention import FilmRecord, PieceRecord
from shared.contracts.retention import FILMS_KEPT, GRACE, PIECES_KEPT
from shared.core.ids import is_id
from shared.postgres.pool import Connection

PREFETCH: Final = 500  # rows per round trip of a cursor

# Every object that a film's row names, at whatever depth.
_REFS: Final = """jsonb_path_query(c.result, '$.** ? (@.bucket == "compiler" && exists(@.key))')"""

_PIECE: Final = "select key as id, kind, size, used_at, marked_at, deleting from pieces where made_at is not null"
_EXPIRED_PIECES: Final = """
    select key as id from pieces where made_at is not null and marked_at is null and used_at <= $1
    order by used_at limit $2 for update skip locked
"""
_MARKED_PIECES: Final = """
    select key as id from pieces where made_at is not null and marked_at <= $1
    order by marked_at limit $2 for update skip locked
"""
_RELEASE_PIECES: Final = """
    update pieces set deleting = true where key = any($1::text[]) returning object ->> 'key' as key
"""
_DEAD_CLAIMS: Final = "delete from pieces where made_at is null and lease_until < now() - $1::interval"

_FILM: Final = f"""
    select c.compilation_id as id, c.project_id, c.episode_id, c.completed_at, c.marked_at,
           (select coalesce(sum((ref ->> 'size')::bigint), 0)::bigint from {_REFS} as ref) as size,
           (select count(*) from compilations n where n.episode_id = c.episode_id and n.state = 'completed'
              and (n.completed_at, n.compilation_id) > (c.completed_at, c.compilation_id)) as newer,
           coalesce(t.deleted, false) as episode_deleted
    from compilations c left join timelines t using (episode_id)
    where c.state = 'completed'
"""
_EXPIRED_FILMS: Final = f"""
    select c.compilation_id as id
    from compilations c left join timelines t using (episode_id)
    where c.state = 'completed' and c.marked_at is null
      and (t.deleted or {FILMS_KEPT} <= (
          select count(*) from compilations n where n.episode_id = c.episode_id and n.state = 'completed'
            and (n.completed_at, n.compilation_id) > (c.completed_at, c.compilation_id)))
    order by c.completed_at limit $1 for update of c skip locked
"""
_MARKED_FILMS: Final = """
    select compilation_id as id from compilations where state = 'completed' and marked_at <= $1
    order by marked_at limit $2 for update skip locked
"""
_FILM_KEYS: Final = f"""
    select ref ->> 'key' as key from compilations c, {_REFS} as ref where c.compilation_id = any($1::uuid[])
"""
# The object of a finished piece, the objects of a completed film, and every object of a film in progress.
_REFERENCED: Final = f"""
    with requested as (
        select * from unnest($1::text[], $2::uuid[], $3::text[]) as requested(key, compilation_id, piece)
    )
    select requested.key from requested join pieces p on p.key = requested.piece
    where p.object ->> 'key' = requested.key
    union all
    select requested.key from requested join compilations c using (compilation_id)
    where c.state in ('pending', 'processing') or requested.key in (select ref ->> 'key' from {_REFS} as ref)
"""

_OLD_VERSIONS: Final = "delete from versions where superseded_at < now() - $1::interval"


class PieceRetention:
    """Implements `shared.retention.engine.RetentionRepository`. A use removes a piece's mark, see `store.pieces`."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    async def lock_expired(self, now: datetime, limit: int) -> list[str]:
        return [r["id"] for r in await self._db.fetch(_EXPIRED_PIECES, now - PIECES_KEPT, limit)]

    async def lock_marked(self, marked_before: datetime, limit: int) -> list[str]:
        return [r["id"] for r in await self._db.fetch(_MARKED_PIECES, marked_before, limit)]

    async def load(self, ids: Sequence[str]) -> list[PieceRecord]:
        return [PieceRecord(**dict(r)) for r in await self._db.fetch(_PIECE + " and key = any($1::text[])", list(ids))]

    async def load_all(self, project_id: str | None) -> AsyncIterator[PieceRecord]:
        if project_id is None:
            async for row in self._db.cursor(_PIECE + " order by kind, key", prefetch=PREFETCH):
                yield PieceRecord(**dict(row))

    async def mark(self, ids: Sequence[str], now: datetime) -> None:
        await self._db.execute("update pieces set marked_at = $2 where key = any($1::text[])", list(ids), now)

    async def release(self, ids: Sequence[str]) -> list[str]:
        return [r["key"] for r in await self._db.fetch(_RELEASE_PIECES, list(ids)) if r["key"]]

    async def delete(self, ids: Sequence[str]) -> None:
        await self._db.execute("delete from pieces where key = any($1::text[]) and deleting", list(ids))


class FilmRetention:
    """Implements `shared.retention.engine.RetentionRepository`. Nothing removes the mark of a film."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    async def lock_expired(self, now: datetime, limit: int) -> list[str]:
        return [r["id"] for r in await self._db.fetch(_EXPIRED_FILMS, limit)]

    async def lock_marked(self, marked_before: datetime, limit: int) -> list[str]:
        return [r["id"] for r in await self._db.fetch(_MARKED_FILMS, marked_before, limit)]

    async def load(self, ids: Sequence[str]) -> list[FilmRecord]:
        rows = await self._db.fetch(_FILM + " and c.compilation_id = any($1::uuid[])", list(ids))
        return [FilmRecord(**dict(r)) for r in rows]

    async def load_all(self, project_id: str | None) -> AsyncIterator[FilmRecord]:
        sql = _FILM + " and ($1::text is null or c.project_id = $1) order by c.project_id, c.episode_id, c.completed_at"
        async for row in self._db.cursor(sql, project_id, prefetch=PREFETCH):
            yield FilmRecord(**dict(row))

    async def mark(self, ids: Sequence[str], now: datetime) -> None:
        await self._db.execute(
            "update compilations set marked_at = $2 where compilation_id = any($1::uuid[])", list(ids), now
        )

    async def release(self, ids: Sequence[str]) -> list[str]:
        return [r["key"] for r in await self._db.fetch(_FILM_KEYS, list(ids))]

    async def delete(self, ids: Sequence[str]) -> None:
        await self._db.execute("delete from compilations where compilation_id = any($1::uuid[])", list(ids))


async def referenced_keys(connection: Connection, keys: Sequence[str]) -> set[str]:
    """Those of the keys that a row refers to, or that belong to a film in progress."""
    owners = [_owner(key) for key in keys]
    compilations, pieces = [compilation for compilation, _ in owners], [piece for _, piece in owners]
    return {r["key"] for r in await connection.fetch(_REFERENCED, list(keys), compilations, pieces)}


async def delete_unneeded_rows(connection: Connection, _: datetime) -> None:
    """Deletes the rows of pieces that a worker claimed and nobody finished, and of versions that no film in progress
    can have pinned any more. Both times are by the database's clock, and so is this."""
    await connection.execute(_DEAD_CLAIMS, GRACE)
    await connection.execute(_OLD_VERSIONS, GRACE)


def _owner(key: str) -> tuple[str | None, str | None]:
    """The compilation id in `films/<compilation>/...` or the piece's key in `pieces/<kind>/<piece>/...`."""
    match key.split("/"):
        case ["films", compilation_id, _, *_] if is_id(compilation_id):
            return compilation_id, None
        case ["pieces", _, piece, *_]:
            return None, piece
        case _:
            return None, None
