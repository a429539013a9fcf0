"""Responses to POST requests, stored for a day in the same transaction as their effects."""

from __future__ import annotations

from typing import Final

from services.gateway.domain.idempotency import StoredResponse
from shared.postgres.pool import Connection

_LOCK: Final = "select pg_try_advisory_xact_lock(hashtextextended($1 || chr(31) || $2, 0))"
_FIND: Final = "select fingerprint, status, headers, body from idempotency_keys where caller = $1 and key = $2"
_KEEP: Final = """
    insert into idempotency_keys (caller, key, fingerprint, status, headers, body) values ($1, $2, $3, $4, $5, $6)
    on conflict (caller, key) do update
    set status = excluded.status, headers = excluded.headers, body = excluded.body
    where idempotency_keys.fingerprint = excluded.fingerprint
"""
_FORGET: Final = "delete from idempotency_keys where caller = $1 and key = $2"


async def lock(connection: Connection, caller: str, key: str) -> bool:
    """Locks the key until the transaction ends. False: another request with this key is in progress."""
    return bool(await connection.fetchval(_LOCK, caller, key))


async def find(connection: Connection, caller: str, key: str) -> StoredResponse | None:
    row = await connection.fetchrow(_FIND, caller, key)
    return StoredResponse(row["fingerprint"], row["status"], row["headers"], row["body"]) if row else None


async def keep(connection: Connection, caller: str, key: str, kept: StoredResponse) -> None:
    await connection.execute(_KEEP, caller, key, kept.fingerprint, kept.status, dict(kept.headers), kept.body)


async def forget(connection: Connection, caller: str, key: str) -> None:
    await connection.execute(_FORGET, caller, key)
