"""`python -m shared.migrate SERVICE`, as init containers run it, and readiness that knows the newest migration."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from shared import migrate as migrate_module
from shared.contracts.topics import Service
from shared.core.errors import Retryable, UserError
from shared.migrate import SOURCE_ROOT, migrate, newest_migration, reachable_url
from shared.postgres.pool import open_pool
from shared.postgres.probe import DatabaseProbe
from shared.web.health import database_check
from tests.conftest import FreshDatabase
from tests.support.postgres import Postgres
from tests.support.waiting import eventually


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
    async with (
        open_pool(empty_database, size=1, application="test") as pool,
        DatabaseProbe(empty_database, "gateway") as probe,
    ):
        check = database_check(probe, Service.GATEWAY, newest)
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


def test_no_two_migrations_of_a_database_have_one_number() -> None:
    """Each would be applied alone, and the second one would fail: its number counts as done."""
    mechanisms = [path.name for path in (SOURCE_ROOT / "shared" / "migrations").glob("*.sql")]
    for service in Service:
        own = [path.name for path in (SOURCE_ROOT / "services" / service / "migrations").glob("*.sql")]
        numbers = [name.partition("_")[0] for name in sorted(mechanisms + own)]
        assert sorted(set(numbers)) == numbers, f"{service}: {sorted(own)}"


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


async def test_before_a_start_it_waits_for_the_login_and_the_database_and_says_each_cause_once(
    postgres: Postgres,
) -> None:
    admin = await asyncpg.connect(postgres.admin_url)
    address = urlsplit(postgres.admin_url)
    told: list[str] = []
    url = urlunsplit(address._replace(netloc=f"tardy:right@{address.netloc.rpartition('@')[2]}", path="/tardy"))
    waiting = asyncio.create_task(reachable_url(url, wait_s=0, poll_s=0.02, tell=told.append))
    try:
        await eventually(lambda: told)
        await admin.execute("create role tardy login password 'right'")
        await eventually(lambda: len(told) > 1)
        await admin.execute("create database tardy owner tardy")
        assert urlsplit(await waiting).path == "/tardy"
    finally:
        await admin.execute("drop database if exists tardy with (force)")
        await admin.execute("drop role if exists tardy")
        await admin.close()
    assert "login is refused" in told[0]
    assert 'database "tardy" does not exist; create it' in told[1]
    assert len(set(told)) == len(told) <= 3
    assert "right@" not in "".join(told)


async def test_waiting_ends_with_the_container() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "shared.migrate", "review", "--wait"),
        cwd=SOURCE_ROOT,
        env={"REVIEW_DATABASE_URL": "postgresql://a:b@127.0.0.1:1/c"},
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr
    line = await process.stderr.readline()
    assert b"review: waiting. PostgreSQL at 127.0.0.1:1/c: " in line
    process.terminate()
    assert await asyncio.wait_for(process.wait(), 20) == 143


async def test_a_url_of_another_kind_is_refused() -> None:
    with pytest.raises(UserError, match="not valid"):
        await reachable_url("mysql://host/database", wait_s=0)


def _with(root: Path, statement: str, first: str = "-- migrate:up") -> Path:
    """The sources' migrations of review and one more."""
    for folder in ("shared/migrations", "services/review/migrations"):
        shutil.copytree(SOURCE_ROOT / folder, root / folder)
    extra = root / "services/review/migrations/0099_extra.sql"
    extra.write_text(f"{first}\n{statement}\n-- migrate:down\n")
    return root


async def test_a_migration_does_not_hold_up_those_who_wait_behind_it_and_is_tried_again(
    fresh_database: FreshDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate_module, "LOCK_TIMEOUT_S", 0.2)
    monkeypatch.setattr(migrate_module, "LOCK_PAUSE_S", 0.1)
    url = await fresh_database("review")
    root = _with(tmp_path, "alter table reviews add column note text;")
    holder, reader = await asyncpg.connect(url), await asyncpg.connect(url)
    try:
        async with holder.transaction():
            await holder.execute("select count(*) from reviews")  # a long report
            migrating = asyncio.create_task(migrate(url, "review", root))
            waiting = (
                "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like '%add column%'"
            )
            await eventually(lambda: reader.fetchval(waiting), what="the migration to wait for its lock")
            async with asyncio.timeout(30):  # it gets behind the migration, which gives way
                await reader.execute("select count(*) from reviews")
            assert not migrating.done()
        await migrating
        assert await reader.fetchval("select count(*) from reviews where note is null") == 0
    finally:
        await holder.close()
        await reader.close()


async def test_a_lock_that_is_never_free_is_told_as_such(
    fresh_database: FreshDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate_module, "LOCK_TIMEOUT_S", 0.05)
    monkeypatch.setattr(migrate_module, "LOCK_PAUSE_S", 0.0)
    monkeypatch.setattr(migrate_module, "LOCK_ATTEMPTS", 2)
    url = await fresh_database("review")
    holder = await asyncpg.connect(url)
    try:
        async with holder.transaction():
            await holder.execute("lock table reviews")
            with pytest.raises(Retryable, match="lock timeout") as failed:
                await migrate(url, "review", _with(tmp_path, "alter table reviews add column note text;"))
        assert failed.value.code == "migration_locked"
    finally:
        await holder.close()


async def test_replicas_that_build_an_index_concurrently_do_not_wait_for_each_other_for_ever(
    fresh_database: FreshDatabase, tmp_path: Path
) -> None:
    url = await fresh_database("review")
    statement = "create index concurrently if not exists reviews_closed on reviews (closed_at);"
    root = _with(tmp_path, statement, "-- migrate:up transaction:false")
    await asyncio.gather(*(migrate(url, "review", root) for _ in range(3)))
    connection = await asyncpg.connect(url)
    valid = await connection.fetchval("select indisvalid from pg_index where indexrelid = 'reviews_closed'::regclass")
    await connection.close()
    assert valid is True


async def test_an_index_whose_build_was_given_up_is_built(fresh_database: FreshDatabase) -> None:
    url = await fresh_database("review")
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("create index given_up on reviews (closed_at)")
        await connection.execute("update pg_index set indisvalid = false where indexrelid = 'given_up'::regclass")
        await asyncio.gather(*(migrate(url, "review") for _ in range(3)))
        valid = "select indisvalid from pg_index where indexrelid = 'given_up'::regclass"
        assert await connection.fetchval(valid) is True
    finally:
        await connection.close()
