"""Pieces in PostgreSQL: a row is a claim while its piece is being made, and then the finished piece.

Finding a piece counts as using it and removes retention's mark from it. A piece whose bytes are being deleted is no
longer found, and is made again as if it had never existed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from services.compiler.planning.pieces import Piece, PieceKind
from shared.contracts.values import ObjectRef
from shared.core.clock import Clock
from shared.core.ids import NewId
from shared.postgres.pool import Pool, transaction
from shared.postgres.retry import retryable_transaction

LEASE_S: Final = 12.0  # as long as a job's: the time after which a killed worker's piece is taken over

# Uses are recorded by the hour, so that compiling a film of a hundred segments does not rewrite hundreds of rows.
_FIND: Final = """
    with used as (
        update pieces set used_at = $2, marked_at = null
        where key = any($1::text[]) and made_at is not null and not deleting
          and (used_at < $2::timestamptz - interval '1 hour' or marked_at is not null)
        returning key, kind, object, facts
    )
    select key, kind, object, facts from used
    union all
    select key, kind, object, facts from pieces
    where key = any($1::text[]) and made_at is not null and not deleting
      and used_at >= $2::timestamptz - interval '1 hour' and marked_at is null
"""
_CLAIM: Final = """
    insert into pieces (key, kind, token, lease_until) values ($1, $2, $3, now() + make_interval(secs => $4))
    on conflict (key) do update set token = $3, lease_until = now() + make_interval(secs => $4), made_at = null,
                                    object = null, facts = null, size = 0, marked_at = null, deleting = false
    where pieces.deleting or pieces.made_at is null and (pieces.token is null or pieces.lease_until < now())
    returning 1
"""
_RENEW: Final = """
    update pieces set lease_until = now() + make_interval(secs => $3)
    where key = $1 and token = $2 and made_at is null returning 1
"""
_FINISH: Final = """
    update pieces set object = $3, facts = $4, size = $5, made_at = $6, used_at = $6, token = null,
                      lease_until = null
    where key = $1 and token = $2 and made_at is null returning 1
"""
_RELEASE: Final = "delete from pieces where key = $1 and token = $2 and made_at is null"
_LEARN: Final = """
    insert into render_speed (kind, seconds_per_unit) values ($1, $2)
    on conflict (kind) do update set seconds_per_unit = $2
"""


class PostgresPieceStore:
    """Implements `commands.ports.PieceStore`."""

    def __init__(self, pool: Pool, new_id: NewId, clock: Clock) -> None:
        self._pool = pool
        self._new_id = new_id
        self._clock = clock

    async def find(self, keys: Sequence[str]) -> dict[str, Piece]:
        if not keys:
            return {}
        async with transaction(self._pool) as connection:
            rows = await connection.fetch(_FIND, sorted(keys), self._clock.now())
        return {
            r["key"]: Piece(
                r["key"],
                PieceKind(r["kind"]),
                ObjectRef.model_validate(r["object"]) if r["object"] else None,
                r["facts"],
            )
            for r in rows
        }

    async def claim(self, key: str, kind: PieceKind) -> str | None:
        token = self._new_id()
        async with transaction(self._pool) as connection:
            return token if await connection.fetchval(_CLAIM, key, kind, token, LEASE_S) else None

    async def renew(self, key: str, token: str) -> bool:
        async with retryable_transaction(self._pool) as connection:
            return bool(await connection.fetchval(_RENEW, key, token, LEASE_S))

    async def finish(self, piece: Piece, token: str) -> bool:
        stored = piece.object.model_dump(mode="json") if piece.object else None
        size = piece.object.size if piece.object else 0
        async with transaction(self._pool) as connection:
            values = (stored, dict(piece.facts), size, self._clock.now())
            return bool(await connection.fetchval(_FINISH, piece.key, token, *values))

    async def release(self, key: str, token: str) -> None:
        async with transaction(self._pool) as connection:
            await connection.execute(_RELEASE, key, token)

    async def learn(self, kind: str, seconds_per_unit: float) -> None:
        async with transaction(self._pool) as connection:
            await connection.execute(_LEARN, kind, seconds_per_unit)
