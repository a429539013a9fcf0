"""Whether PostgreSQL answers, asked by a connection of its own: the pool that requests use may be full."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, Final, Self
from urllib.parse import urlsplit

import asyncpg

from shared.core.errors import DependencyMissing, UserError

TIMEOUT_S: Final = 2.0
CONNECT_TIMEOUT_S: Final = 5.0
REFUSED: Final = (
    asyncpg.InvalidAuthorizationSpecificationError,  # a role that is about to be created, a password that changes
    asyncpg.InsufficientPrivilegeError,
)
UNREACHABLE: Final = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""Somebody starts, creates, restores or corrects a database: everything that it says may be over later."""


class DatabaseProbe:
    """One connection, opened when it is first needed and again after an error. For one caller at a time."""

    def __init__(self, url: str, service: str) -> None:
        self._url = url
        self._application = f"retake-{service}-probe"
        self._connection: asyncpg.Connection | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._drop()

    async def fetchval(self, query: str) -> Any:
        """Raises asyncpg's errors, OSError or TimeoutError."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                if self._connection is None or self._connection.is_closed():
                    self._connection = await asyncpg.connect(
                        self._url,
                        timeout=TIMEOUT_S,
                        statement_cache_size=0,  # one query, rarely: nothing to remember, in whatever session
                        server_settings={"application_name": self._application},
                    )
                return await self._connection.fetchval(query)
        except asyncpg.UndefinedTableError:
            raise
        except BaseException:
            self._drop()
            raise

    def _drop(self) -> None:
        if self._connection is not None and not self._connection.is_closed():
            self._connection.terminate()
        self._connection = None


async def require_database(url: str, service: str, version: str, *, variable: str) -> None:
    """Returns if the database accepts this login and has at least migration `version`. `variable`: the setting that
    has the URL.

    Raises DependencyMissing `database_unreachable`, `database_refused` or `schema_old`; UserError `database_url` if the
    URL is none.
    """
    try:
        connection = await asyncpg.connect(url, timeout=CONNECT_TIMEOUT_S, statement_cache_size=0)
        try:
            problem = await schema_problem(
                lambda query: connection.fetchval(query, timeout=TIMEOUT_S), service, version
            )
        finally:
            await connection.close(timeout=CONNECT_TIMEOUT_S)
    except asyncpg.exceptions.ClientConfigurationError as error:
        raise _no_url(variable, error) from error
    except UNREACHABLE as error:  # a certificate that is refused is a ValueError, too
        code = "database_refused" if isinstance(error, REFUSED) else "database_unreachable"
        cause, remedy = explained(error, variable)
        raise DependencyMissing("database", code, f"{_shown(url)}: {cause};", f"{remedy}.") from error
    except ValueError as error:
        raise _no_url(variable, error) from error
    if problem:
        raise DependencyMissing("database", "schema_old", f"{problem[0]};", f"{problem[1]}.")


async def schema_problem(
    fetchval: Callable[[str], Awaitable[Any]], service: str, version: str
) -> tuple[str, str] | None:
    """What is missing in the database that `fetchval` asks, and what to do; None if it has migration `version` (the
    number before the underscore) or a later one."""
    try:
        applied = await fetchval("select max(version) from schema_migrations")
    except asyncpg.UndefinedTableError:
        applied = None
    if applied and applied >= version:
        return None
    missing = f"migration {version} is not applied (newest: {applied or 'none'})"
    return missing, f"run `python -m shared.migrate {service}`"


def explained(error: BaseException, variable: str) -> tuple[str, str]:
    """Why the database cannot be used, and what to do: check the setting `variable`, or something else."""
    text = str(error).rstrip(".") or type(error).__name__
    match error:
        case asyncpg.InvalidAuthorizationSpecificationError():
            return f"the login is refused ({text})", f"check role and password in {variable}"
        case asyncpg.InvalidCatalogNameError():
            return text, f"create it, or correct {variable}"
        case asyncpg.InsufficientPrivilegeError():
            return text, f"grant it to the role of {variable}, which should own the database"
        case ssl.SSLCertVerificationError():
            return f"the server's certificate is refused ({error.verify_message})", (
                f"check sslrootcert and the host in {variable}"
            )
        case asyncpg.TooManyConnectionsError():
            return text, "raise max_connections, or lower POOL_SIZE"
        case TimeoutError():
            return "no answer in time", f"check {variable} and network policies"
        case _:
            return text, f"check {variable}, network policies and that PostgreSQL runs"


def _shown(url: str) -> str:
    """Without the password."""
    parts = urlsplit(url)
    return "PostgreSQL at " + parts.netloc.rpartition("@")[2] + parts.path


def _no_url(variable: str, error: Exception) -> UserError:
    return UserError("database_url", f"{variable} is no database's URL: {error}.", "See settings.md.")
