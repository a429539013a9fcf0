"""PostgreSQL through a pooler in transaction mode, with TLS, and with a full pool."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest

from services.review.config import Settings as ReviewSettings
from services.review.wiring import wire
from shared.contracts.topics import Service
from shared.core.errors import DependencyMissing
from shared.migrate import newest_migration
from shared.postgres.pool import open_pool, transaction
from shared.postgres.probe import DatabaseProbe, require_database
from shared.web.health import Health, database_check
from tests.support import events, pgbouncer
from tests.support.brokers import EmbeddedBroker
from tests.support.messaging import produce
from tests.support.postgres import Postgres
from tests.support.waiting import eventually

Fresh = Callable[[str], Awaitable[str]]


async def test_transactions_share_the_sessions_of_a_pooler(pooler: pgbouncer.Pooler, fresh_database: Fresh) -> None:
    direct = await fresh_database("review")
    sessions: set[int] = set()

    async with open_pool(pooler.url(direct), size=8, behind_pooler=True) as pool:

        async def work(n: int) -> None:
            async with transaction(pool) as connection:
                sessions.add(await connection.fetchval("select pg_backend_pid()"))
                assert await connection.fetchval("show idle_in_transaction_session_timeout") == "10s"
                assert await connection.fetchval("show timezone") == "UTC"
                async with connection.transaction():
                    assert await connection.fetchval("select $1::jsonb", {"n": n}) == {"n": n}
                assert await connection.fetchval("select $1::text[]", [str(n)]) == [str(n)]

        await asyncio.gather(*(work(n) for n in range(40)))
    assert len(sessions) == 2, "eight connections shared the pooler's two sessions"


async def test_a_service_works_through_a_pooler(
    pooler: pgbouncer.Pooler, fresh_database: Fresh, embedded_broker: EmbeddedBroker, tmp_path: Path
) -> None:
    direct = await fresh_database("review")
    settings = ReviewSettings(
        database_url=pooler.url(direct),
        database_direct_url=direct,
        kafka_bootstrap=embedded_broker.bootstrap,
        kafka_embedded=True,
        objects_url=tmp_path.as_uri(),
    )
    preview = events.message(events.preview_ready())
    async with wire(settings) as health:
        await eventually(lambda: _ready(health), what="readiness")
        record = preview.event.key, preview.event.model_dump_json().encode(), preview.envelope.headers()
        await produce(embedded_broker, "preview-ready", record)
        database = await asyncpg.connect(direct)
        try:
            await eventually(
                lambda: database.fetchval(
                    "select true from outbox where topic = 'review-updated' and published_at < now()"
                ),
                what="the event of the review, published",
            )
        finally:
            await database.close()


async def _ready(health: Health) -> bool:
    ready, _ = await health.report()
    return ready


async def test_the_certificate_of_the_server_is_checked(pooler: pgbouncer.Pooler, postgres: Postgres) -> None:
    async with open_pool(pooler.tls_url(postgres.admin_url, "ca.pem"), size=1, behind_pooler=True) as pool:
        assert await pool.fetchval("select 1") == 1
    url = pooler.tls_url(postgres.admin_url, "other-ca.pem")
    with pytest.raises(DependencyMissing, match="certificate is refused") as told:
        await require_database(url, "review", "0001", variable="REVIEW_DATABASE_URL")
    assert "check sslrootcert and the host in REVIEW_DATABASE_URL" in told.value.recovery


async def test_a_full_pool_does_not_make_the_service_unready(fresh_database: Fresh) -> None:
    url = await fresh_database("review")
    async with open_pool(url, size=1) as pool, DatabaseProbe(url, "review") as probe, pool.acquire():
        health = Health("review", {"database": database_check(probe, "review", newest_migration(Service.REVIEW))})
        assert await health.report() == (True, {"database": "ok"})


async def test_the_probe_connects_again_after_the_server_ended_its_session(fresh_database: Fresh) -> None:
    url = await fresh_database("review")
    async with DatabaseProbe(url, "review") as probe:
        pid = await probe.fetchval("select pg_backend_pid()")
        assert await probe.fetchval("select pg_backend_pid()") == pid
        other = await asyncpg.connect(url)
        await other.execute("select pg_terminate_backend($1)", pid)
        await other.close()

        async def answers() -> bool:
            try:
                return bool(await probe.fetchval("select pg_backend_pid()") != pid)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                return False

        await eventually(answers, what="another session")


async def test_a_database_that_is_missing_is_told_with_the_setting_to_correct(postgres: Postgres) -> None:
    with pytest.raises(DependencyMissing, match="nothing_of_that_name") as told:
        await require_database(postgres.url("nothing_of_that_name"), "review", "0001", variable="REVIEW_DATABASE_URL")
    assert told.value.dependency == "database"
    assert told.value.recovery == "create it, or correct REVIEW_DATABASE_URL."


async def test_readiness_says_what_to_do_about_a_database_that_is_away() -> None:
    async with DatabaseProbe("postgresql://a:hidden-word@127.0.0.1:1/x", "review") as probe:
        problem = await database_check(probe, "review", "0001")()
    assert problem is not None
    assert "check REVIEW_DATABASE_URL, network policies and that PostgreSQL runs" in problem
    assert "hidden-word" not in problem
