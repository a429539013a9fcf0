"""`up` with an existing PostgreSQL: roles and databases are created there, and two systems never share them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from deploy.local.parts import external
from deploy.local.parts.databases import provide
from deploy.local.parts.postgres import EmbeddedPostgres
from deploy.local.supervisor.data_dir import DataDir
from deploy.local.supervisor.options import Options
from deploy.local.supervisor.preflight import free_port, prepare
from deploy.local.supervisor.processes import spawn
from shared.core.errors import UserError
from shared.migrate import migrate
from tests.unit.local.stub_system import NotStarted, Running


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[str]:
    """The superuser's URL of a PostgreSQL that no supervisor manages."""
    data = DataDir.of(tmp_path / "server")
    prepare(data)
    postgres = EmbeddedPostgres(data, "secret")
    await postgres.initialise()
    port = free_port()
    child = await spawn(postgres.command(port), data.log("postgres"), data.root)
    try:
        await postgres.answers(port)
        yield postgres.url(port)
    finally:
        await child.stop(10)


async def test_two_systems_never_share_a_server(server: str, tmp_path: Path) -> None:
    with Running(tmp_path / "one", database=server) as one:
        assert "postgres" not in {p.name for p in one.parts().values() if p.process}
        url = one.environment("gateway")["DATABASE_URL"]
        user = await asyncpg.connect(url)
        try:
            with pytest.raises(NotStarted, match="database_in_use"), Running(tmp_path / "two", database=server):
                pass
        finally:
            await user.close()
    # The first one's passwords are of no use any more: the second one takes the databases over.
    with Running(tmp_path / "two", database=server) as two:
        assert two.environment("gateway")["DATABASE_URL"] != url
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(url)


async def test_an_admin_that_is_no_superuser_is_enough(server: str) -> None:
    admin = await asyncpg.connect(server)
    await admin.execute("create role boss login createdb createrole password 'b'")
    await admin.close()
    boss = server.replace("postgres:secret@", "boss:b@")
    url = await provide(boss, "review", "it's a 'password' / with @ signs")
    await migrate(url, "review")
    assert await provide(boss, "review", "it's a 'password' / with @ signs") == url
    connection = await asyncpg.connect(url)
    assert await connection.fetchval("select count(*) from schema_migrations") > 0
    await connection.close()


def test_a_server_that_does_not_answer_is_named(tmp_path: Path) -> None:
    url = f"postgresql://me:secret@127.0.0.1:{free_port()}/postgres"
    with pytest.raises(NotStarted) as failed, Running(tmp_path / "data", database=url):
        pass
    assert "database_unreachable" in str(failed.value)
    assert "secret" not in str(failed.value)


async def test_a_migration_that_fails_is_named(server: str, tmp_path: Path) -> None:
    migrations = tmp_path / "services" / "review" / "migrations"
    migrations.mkdir(parents=True)
    (migrations / "0001_wrong.sql").write_text("-- migrate:up\ncreate tabel wrong ();\n-- migrate:down\n")
    url = await provide(server, "review", "p")
    with pytest.raises(Exception, match=r"review: .*syntax error"):
        await migrate(url, "review", tmp_path)


async def test_a_kafka_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from deploy.local.parts.kafka import topics

    monkeypatch.setattr(topics, "REACH_TIMEOUT_S", 0.5)
    with pytest.raises(UserError, match="kafka_unreachable"):
        await topics.use_existing(f"127.0.0.1:{free_port()}")


async def test_an_object_store_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{free_port()}")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    with pytest.raises(UserError, match="objects_unreachable: The object store s3://none/p cannot be used"):
        await external.check(Options(objects="s3://none/p"))
    with pytest.raises(UserError, match="bad_objects_url"):
        await external.check(Options(objects="ftp://none"))
