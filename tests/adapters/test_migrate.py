"""`python -m shared.migrate SERVICE`, as init containers run it, and readiness that knows the newest migration."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from shared.contracts.topics import Service
from shared.core.errors import Retryable, UserError
from shared.migrate import SOURCE_ROOT, newest_migration, reachable_url
from shared.postgres.pool import open_pool
from shared.web.health import database_check
from tests.support.postgres import Postgres


async def run(service: str, **environment: str) -> tuple[int, str]:
    """The exit code and the output of the command, with nothing but this in its environment."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "shared.migrate", service),
        cwd=SOURCE_ROOT,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


@pytest.fixture
async def empty_database(postgres: Postgres) -> AsyncIterator[str]:
    """The URL of a database without a table."""
    admin = await asyncpg.connect(postgres.admin_url)
    await admin.execute("create database unmigrated")
    yield postgres.url("unmigrated")
    await admin.execute("drop database unmigrated with (force)")
    await admin.close()


async def test_several_replicas_migrate_an_empty_database_together(empty_database: str) -> None:
    results = await asyncio.gather(*(run("review", REVIEW_DATABASE_URL=empty_database) for _ in range(3)))
    assert [code for code, _ in results] == [0, 0, 0], results
    connection = await asyncpg.connect(empty_database)
    applied = [row["version"] for row in await connection.fetch("select version from schema_migrations order by 1")]
    await connection.close()
    assert applied[0] == "0000"
    assert applied[-1] == newest_migration(Service.REVIEW)


async def test_a_service_is_ready_only_with_its_newest_migration(empty_database: str) -> None:
    newest = newest_migration(Service.GATEWAY)
    async with open_pool(empty_database, size=1, application="test") as pool:
        check = database_check(pool, Service.GATEWAY, newest)
        remedy = "run `python -m shared.migrate gateway`"
        assert await check() == f"migration {newest} is not applied (newest: none); {remedy}"
        code, output = await run("gateway", GATEWAY_DATABASE_URL=empty_database)
        assert code == 0, output
        assert await check() is None
        await pool.execute("delete from schema_migrations where version = $1", newest)
        assert f"migration {newest} is not applied" in (await check() or "")


@pytest.mark.parametrize("service", Service)
def test_the_newest_migration_is_the_last_file(service: Service) -> None:
    files = sorted(p.name for p in (SOURCE_ROOT / "services" / service / "migrations").glob("*.sql"))
    assert newest_migration(service) == files[-1].partition("_")[0]


async def test_wrong_use_says_what_to_set(postgres: Postgres) -> None:
    code, output = await run("nothing")
    assert (code, "usage: python -m shared.migrate" in output) == (2, True)
    code, output = await run("review", GATEWAY_DATABASE_URL=postgres.admin_url)
    assert code == 2
    assert "REVIEW_DATABASE_URL is not set" in output


async def test_a_wrong_password_ends_at_once_and_is_not_shown(postgres: Postgres) -> None:
    parts = urlsplit(postgres.admin_url)
    wrong = urlunsplit(parts._replace(netloc=f"postgres:hidden-word@{parts.netloc.rpartition('@')[2]}"))
    code, output = await run("review", REVIEW_DATABASE_URL=wrong)
    assert code == 2
    assert "Check role and password" in output
    assert "hidden-word" not in output


async def test_a_database_that_is_not_there_yet_is_waited_for(postgres: Postgres) -> None:
    admin = await asyncpg.connect(postgres.admin_url)
    waiting = asyncio.create_task(reachable_url(postgres.url("late"), wait_s=20, poll_s=0.05))
    await asyncio.sleep(0.2)
    assert not waiting.done()
    await admin.execute("create database late")
    try:
        assert urlsplit(await waiting).query.startswith("sslmode=")
    finally:
        await admin.execute("drop database late with (force)")
        await admin.close()
    with pytest.raises(Retryable, match=r"No database at .*/never within 0 s"):
        await reachable_url(postgres.url("never"), wait_s=0)


async def test_a_url_of_another_kind_is_refused() -> None:
    with pytest.raises(UserError, match="not valid"):
        await reachable_url("mysql://host/database", wait_s=0)
