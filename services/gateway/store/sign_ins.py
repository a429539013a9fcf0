"""Sign-ins at the issuer: what the gateway keeps of each, so that a browser need hold no more than a random cookie."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from shared.core.clock import Clock
from shared.postgres.pool import Pool

_OPEN: Final = """
    insert into sign_ins (sign_in_sha256, user_id, sealed, created_at, expires_at) values ($1, $2, $3, $4, $5)
"""
_GET: Final = """
    select sign_in_sha256 as digest, user_id, sealed, version from sign_ins
    where sign_in_sha256 = $1 and expires_at > $2
"""
_CLAIM: Final = """
    update sign_ins set renewing_until = $3
    where sign_in_sha256 = $1 and version = $2 and (renewing_until is null or renewing_until <= $4)
    returning true
"""
_RENEWED: Final = """
    update sign_ins set sealed = $3, version = version + 1, renewing_until = null
    where sign_in_sha256 = $1 and version = $2
    returning true
"""

_END: Final = """
    delete from sign_ins where sign_in_sha256 = $1 and version = coalesce($2, version)
    returning sign_in_sha256 as digest, user_id, sealed, version
"""


@dataclass(frozen=True)
class SignInRow:
    """`digest` is of the cookie, `sealed` holds the issuer's tokens; `version` counts their renewals."""

    digest: str
    user_id: str
    sealed: str
    version: int


class SignIns:
    """Of all replicas. Renewals are claimed, so that of many at once one asks the issuer: whoever uses a refresh token
    twice loses it at issuers that rotate them (RFC 9700, section 4.14.2)."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock

    async def open(self, digest: str, user_id: str, sealed: str, expires_at: datetime) -> None:
        await self._pool.execute(_OPEN, digest, user_id, sealed, self._clock.now(), expires_at)

    async def get(self, digest: str) -> SignInRow | None:
        row = await self._pool.fetchrow(_GET, digest, self._clock.now())
        return SignInRow(**dict(row)) if row else None

    async def claim(self, row: SignInRow, life: timedelta) -> bool:
        """Whether the caller is the one to renew it. A claim ends with `life`, should its holder crash."""
        now = self._clock.now()
        return bool(await self._pool.fetchval(_CLAIM, row.digest, row.version, now + life, now))

    async def renewed(self, row: SignInRow, sealed: str) -> bool:
        """False: it was ended or renewed by somebody else meanwhile, and nothing is stored."""
        return bool(await self._pool.fetchval(_RENEWED, row.digest, row.version, sealed))

    async def release(self, row: SignInRow) -> None:
        """Gives a claim back without a renewal."""
        await self._pool.execute(
            "update sign_ins set renewing_until = null where sign_in_sha256 = $1 and version = $2",
            row.digest,
            row.version,
        )

    async def end(self, digest: str, version: int | None = None) -> SignInRow | None:
        """Deletes it, if it still has that version. None: nothing was deleted."""
        row = await self._pool.fetchrow(_END, digest, version)
        return SignInRow(**dict(row)) if row else None
