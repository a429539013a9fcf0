"""Whether PostgreSQL answers, asked by a connection of its own: the pool that requests use may be full."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any, Final, Self
from urllib.parse import urlsplit

import asyncpg
import structlog
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_delay

from shared.core.backoff import backoff
from shared.core.errors import Retryable

log = structlog.get_logger(__name__)

TIMEOUT_S: Final = 2.0
CONNECT_TIMEOUT_S: Final = 5.0
WAIT_S: Final = 60.0  # for a database that is being started, or changes its primary
STARTING: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InvalidCatalogNameError,  # an operator creates the database after its server
    asyncpg.InvalidAuthorizationSpecificationError,  # and the role; a password may be about to change
)


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


async def wait_until_reachable(url: str, *, wait_s: float = WAIT_S) -> None:
    """Waits for a database that accepts this login; each failure is one line of the log.

    Raises Retryable `database_unreachable` after `wait_s` seconds.
    """
    parts = urlsplit(url)
    shown = parts.netloc.rpartition("@")[2] + parts.path

    def warn(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        log.warning("database.unreachable", database=shown, error=explained(error))

    async def connect() -> None:
        connection = await asyncpg.connect(url, timeout=CONNECT_TIMEOUT_S)
        await connection.close(timeout=CONNECT_TIMEOUT_S)

    try:
        await AsyncRetrying(
            wait=backoff(0.2, 5.0),
            stop=stop_after_delay(wait_s),
            retry=retry_if_exception_type(STARTING),
            before_sleep=warn,
            reraise=True,
        )(connect)
    except STARTING as error:
        raise Retryable(
            "database_unreachable",
            f"No database at {shown} within {wait_s:.0f} s: {explained(error)}.",
            "A restart tries again.",
        ) from error


def explained(error: BaseException | None) -> str:
    """Why it cannot be reached, and which setting to look at."""
    text = str(error) or type(error).__name__
    match error:
        case asyncpg.InvalidAuthorizationSpecificationError():
            return f"the login is refused ({text}); check role and password in DATABASE_URL"
        case asyncpg.InvalidCatalogNameError():
            return f"{text}; create it, or correct DATABASE_URL"
        case ssl.SSLCertVerificationError():
            return f"the server's certificate is refused ({error.verify_message}); check sslrootcert and the host"
        case asyncpg.TooManyConnectionsError():
            return f"{text}; raise max_connections, or lower POOL_SIZE"
        case _:
            return f"{text}; check DATABASE_URL and network policies"
