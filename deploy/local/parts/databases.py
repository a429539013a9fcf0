"""One database and one role per service, on any PostgreSQL that lets us create them."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import asyncpg

from shared.core.errors import UserError

CONNECT_TIMEOUT_S: Final = 10.0


def role_of(service: str) -> str:
    """The name of a service's role and of its database."""
    return f"retake_{service}"


def service_url(admin_url: str, service: str, password: str, *, encrypted: bool) -> str:
    """The admin's URL with the service's role, password and database in it."""
    parts = urlsplit(admin_url)
    host = parts.netloc.rpartition("@")[2]
    query = dict(parse_qsl(parts.query))
    query.setdefault("sslmode", "require" if encrypted else "disable")  # dbmate's driver assumes TLS
    role = role_of(service)
    netloc = f"{role}:{quote(password, safe='')}@{host}"
    return urlunsplit(("postgresql", netloc, f"/{role}", urlencode(query), ""))


async def check(admin_url: str) -> None:
    """Raise UserError if that server does not accept a connection."""
    try:
        connection = await asyncpg.connect(admin_url, timeout=CONNECT_TIMEOUT_S)
    except (OSError, TimeoutError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as e:
        shown = urlsplit(admin_url).netloc.rpartition("@")[2]
        raise UserError(
            "database_unreachable",
            f"PostgreSQL at {shown} refused the connection: {e or type(e).__name__}.",
            "Check the URL in --database: postgresql://USER:PASSWORD@HOST:PORT/postgres.",
        ) from e
    await connection.close()


async def provide(admin_url: str, service: str, password: str) -> str:
    """Create the service's role and database if they are missing; returns the URL to use them.

    CONNECT is revoked from PUBLIC, so that no other service's role has access. Raises UserError if another system uses
    the role with another password, and asyncpg's errors.
    """
    connection = await asyncpg.connect(admin_url, timeout=CONNECT_TIMEOUT_S)
    try:
        encrypted = bool(await connection.fetchval("select ssl from pg_stat_ssl where pid = pg_backend_pid()"))
        url = service_url(admin_url, service, password, encrypted=encrypted)
        await _role(connection, service, password, url)
        await _database(connection, role_of(service))
    finally:
        await connection.close()
    return url


async def _role(connection: asyncpg.Connection, service: str, password: str, url: str) -> None:
    role = role_of(service)
    if not await connection.fetchval("select 1 from pg_roles where rolname = $1", role):
        await connection.execute(f"create role {role} login password {_literal(password)}")
        return
    if await _password_is_valid(url):
        return
    if await connection.fetchval("select count(*) from pg_stat_activity where usename = $1", role):
        raise UserError(
            "database_in_use",
            f"Another Retake system is using the database {role} on this server.",
            "Stop it, or use another PostgreSQL server.",
        )
    await connection.execute(f"alter role {role} login password {_literal(password)}")


async def _database(connection: asyncpg.Connection, role: str) -> None:
    if not await connection.fetchval("select 1 from pg_database where datname = $1", role):
        if not await connection.fetchval("select rolsuper from pg_roles where rolname = current_user"):
            await connection.execute(f"grant {role} to current_user")  # else it may not make the role an owner
        await connection.execute(f"create database {role} owner {role}")
    await connection.execute(f"revoke all on database {role} from public")


async def _password_is_valid(url: str) -> bool:
    """Whether the role has this password. Its database may not exist yet: PostgreSQL checks the password first."""
    try:
        connection = await asyncpg.connect(url, timeout=CONNECT_TIMEOUT_S)
    except asyncpg.InvalidCatalogNameError:
        return True
    except (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError):
        return False
    await connection.close()
    return True


def _literal(text: str) -> str:
    """A quoted SQL string: the password of a role cannot be bound as a parameter."""
    return "'" + text.replace("'", "''") + "'"
