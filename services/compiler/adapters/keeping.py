"""What retention looks for and what it writes, in PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, Final

from services.compiler.domain.retention import Held, HeldFilm, HeldPiece
from services.compiler.usecases.keeping import Keeping, Owner, Shelf
from shared.contracts.retention import FILMS_KEPT, PIECES_KEPT
from shared.core.errors import Retryable
from shared.postgres.pool import Connection, Pool, transaction
from shared.postgres.retry import UNAVAILABLE

PAGE: Final = 500

# Every object that a film's row names, whatever it is called there.
_REFS: Final = """jsonb_path_query(c.result, '$.** ? (@.bucket == "compiler" && exists(@.key))')"""

_PIECE: Final = "select key as id, kind, size, used_at, marked_at, deleting from pieces where made_at is not null"
_RIPE_PIECES: Final = """
    select key as id from pieces where made_at is not null and marked_at is null and used_at <= $1
    order by used_at limit $2 for update skip locked
"""
_MARKED_PIECES: Final = """
    select key as id from pieces where made_at is not null and marked_at <= $1
    order by marked_at limit $2 for update skip locked
"""
_GIVE_UP_PIECES: Final = """
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
_RIPE_FILMS: Final = f"""
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
_REFERENCED: Final = f"""
    with asked as (
        select * from unnest($1::text[], $2::uuid[], $3::text[]) as asked(key, compilation_id, piece)
    )
    select asked.key from asked join pieces p on p.key = asked.piece where p.object ->> 'key' = asked.key
    union all
    select asked.key from asked join compilations c using (compilation_id)
    where c.state in ('pending', 'processing') or asked.key in (select ref ->> 'key' from {_REFS} as ref)
"""


class Pieces:
    """Implements `usecases.keeping.Shelf`."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    async def lock_ripe(self, now: datetime, limit: int) -> list[str]:
        return [r["id"] for r in await self._db.fetch(_RIPE_PIECES, now - PIECES_KEPT, limit)]

    async def lock_marked(self, marked_before: datetime, limit: int) -> list[str]:
        return [r["id"] for r in await self._db.fetch(_MARKED_PIECES, marked_before, limit)]

    async def holdings(self, ids: Sequence[str]) -> list[Held]:
        return [HeldPiece(**dict(r)) for r in await self._db.fetch(_PIECE + " and key = any($1::text[])", list(ids))]

    async def all_holdings(self, project_id: str | None) -> AsyncIterator[Held]:
        """None of a project: equal parts of several projects' films are one piece."""
        if project_id is None:
            async for row in self._db.cursor(_PIECE + " order by kind, key", prefetch=PAGE):
                yield HeldPiece(**dict(row))

    async def mark(self, ids: Sequence[str], now: datetime) -> None:
        await self._db.execute("update pieces set marked_at = $2 where key = any($1::text[])", list(ids), now)

    async def give_up(self, ids: Sequence[str]) -> list[str]:
        return [r["key"] for r in await self._db.fetch(_GIVE_UP_PIECES, list(ids)) if r["key"]]

    async def forget(self, ids: Sequence[str]) -> None:
        await self._db.execute("delete from pieces where key = any($1::text[]) and deleting", list(ids))


class Films:
    """Implements `usecases.keeping.Shelf`."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    async def lock_ripe(self, now: datetime, limit: int) -> list[str]:
        return [r["id"] for r in await self._db.fetch(_RIPE_FILMS, limit)]

    async def lock_marked(self, marked_before: datetime, limit: int) -> list[str]:
        return [r["id"] for r in await self._db.fetch(_MARKED_FILMS, marked_before, limit)]

    async def holdings(self, ids: Sequence[str]) -> list[Held]:
        rows = await self._db.fetch(_FILM + " and c.compilation_id = any($1::uuid[])", list(ids))
        return [HeldFilm(**dict(r)) for r in rows]

    async def all_holdings(self, project_id: str | None) -> AsyncIterator[Held]:
        sql = _FILM + " and ($1::text is null or c.project_id = $1) order by c.project_id, c.episode_id, c.completed_at"
        async for row in self._db.cursor(sql, project_id, prefetch=PAGE):
            yield HeldFilm(**dict(row))

    async def mark(self, ids: Sequence[str], now: datetime) -> None:
        await self._db.execute(
            "update compilations set marked_at = $2 where compilation_id = any($1::uuid[])", list(ids), now
        )

    async def give_up(self, ids: Sequence[str]) -> list[str]:
        """Nothing takes a film's mark away."""
        return [r["key"] for r in await self._db.fetch(_FILM_KEYS, list(ids))]

    async def forget(self, ids: Sequence[str]) -> None:
        await self._db.execute("delete from compilations where compilation_id = any($1::uuid[])", list(ids))


class PostgresKeeping:
    """Implements `usecases.keeping.Keeping`."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    @property
    def shelves(self) -> Sequence[Shelf]:
        return (Films(self._db), Pieces(self._db))

    async def referenced(self, owners: Sequence[Owner]) -> set[str]:
        asked: tuple[list[Any], ...] = (
            [o.key for o in owners], [o.compilation_id for o in owners], [o.piece for o in owners],
        )  # fmt: skip
        return {r["key"] for r in await self._db.fetch(_REFERENCED, *asked)}

    async def drop_dead_claims(self, dead_for: timedelta) -> None:
        await self._db.execute(_DEAD_CLAIMS, dead_for)


def keeping_units(pool: Pool) -> Callable[[], AbstractAsyncContextManager[Keeping]]:
    """Transactions for retention. A database that is away is Retryable("database_unavailable")."""

    @asynccontextmanager
    async def unit() -> AsyncIterator[Keeping]:
        try:
            async with transaction(pool) as connection:
                yield PostgresKeeping(connection)
        except UNAVAILABLE as e:
            raise Retryable("database_unavailable", f"The database is away: {e!r}") from e

    return unit
