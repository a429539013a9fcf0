"""`python -m shared.recover SERVICE` after a restore of all databases to one moment, on a broker that lost nothing."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass
from urllib.parse import urlsplit

import asyncpg
import pytest

from shared.contracts.topics import Service
from shared.core.clock import SystemClock
from shared.core.errors import UserError
from shared.messaging.consumer import Consumer
from shared.migrate import SOURCE_ROOT
from shared.recover import recover
from tests.conftest import FreshDatabase
from tests.support import events
from tests.support.brokers import ApacheKafkaBroker, client_of
from tests.support.messaging import Side, everything_on, header, router_of, side
from tests.support.postgres import Postgres
from tests.support.waiting import eventually

TOPIC = "preview-ready"


@dataclass
class Backups:
    """Copies of databases of one server, as a backup of all of them at one moment."""

    postgres: Postgres

    async def take(self, *urls: str) -> None:
        for url in urls:
            await self._execute(f"create database {_name(url)}_backup template {_name(url)} strategy file_copy")

    async def restore(self, *urls: str) -> None:
        for url in urls:
            await self._execute(f"drop database {_name(url)} with (force)")
            await self._execute(f"alter database {_name(url)}_backup rename to {_name(url)}")

    async def _execute(self, statement: str) -> None:
        admin = await asyncpg.connect(self.postgres.admin_url)
        try:
            await admin.execute(statement)
        finally:
            await admin.close()


def _name(url: str) -> str:
    return urlsplit(url).path.removeprefix("/")


class Running:
    """A producer with its relay, and a consumer, until the block ends."""

    def __init__(self, broker: ApacheKafkaBroker, producer_url: str, consumer_url: str) -> None:
        self._broker, self._urls = broker, (producer_url, consumer_url)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> tuple[Side, Side]:
        enter = self._stack.enter_async_context
        producer = await enter(side(Service.GENERATOR, self._urls[0]))
        consumer = await enter(side(Service.REVIEW, self._urls[1]))
        await enter(producer.relay(self._broker))
        config = client_of(self._broker, Service.REVIEW)
        await enter(Consumer(config, consumer.pool, router_of(Service.REVIEW), clock=SystemClock()))
        return producer, consumer

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()


async def test_what_was_applied_only_after_the_moment_is_read_again_and_the_lost_future_is_not(
    apache_kafka: ApacheKafkaBroker, fresh_database: FreshDatabase, postgres: Postgres
) -> None:
    urls = await fresh_database("generator"), await fresh_database("review")
    backups = Backups(postgres)
    known, late, future, later = (events.message(events.preview_ready()) for _ in range(4))
    async with Running(apache_kafka, *urls) as (generator, review):
        await generator.publish([known])
        await eventually(lambda: _applied(review, known), what="the event before the backup")
    async with side(Service.GENERATOR, urls[0]) as generator, generator.relay(apache_kafka):
        await generator.publish([late])  # published before the moment, and not read yet
        await eventually(lambda: _all_sent(generator), what="the late event on the broker")
    await backups.take(*urls)
    async with Running(apache_kafka, *urls) as (generator, review):
        await eventually(lambda: _applied(review, late), what="the late event, after the moment")
        await generator.publish([future])
        await eventually(lambda: _applied(review, future), what="the event that will be lost")
    async with side(Service.GENERATOR, urls[0]) as generator, generator.relay(apache_kafka):
        await generator.publish([unread := events.message(events.preview_ready())])
        await eventually(lambda: _all_sent(generator), what="another one, which nobody has read")
    await backups.restore(*urls)

    done = [
        await recover(client_of(apache_kafka, service), url)
        for service, url in zip((Service.GENERATOR, Service.REVIEW), urls, strict=True)
    ]
    assert [d.events for d in done] == [2, 0]
    async with Running(apache_kafka, *urls) as (generator, review):
        await eventually(lambda: _applied(review, late), what="the late event again")
        await generator.publish([later])
        await eventually(lambda: _applied(review, later), what="what happens from now on")
        assert await review.effects() == [m.envelope.id for m in (known, late, later)]
        sent = [r for r in await everything_on(apache_kafka, TOPIC) if r.value]
        ids = {header(r, "ce_id") for r in sent}  # future and unread stay in the topic, and nobody acts on them
        assert ids == {m.envelope.id for m in (known, late, future, unread, later)}
        assert unread.envelope.id not in await review.effects()


async def _applied(review: Side, message: object) -> bool:
    return message.envelope.id in await review.effects()  # type: ignore[attr-defined]


async def _all_sent(producer: Side) -> bool:
    return await producer.unpublished() == 0


async def test_nothing_is_moved_while_a_service_runs(
    apache_kafka: ApacheKafkaBroker, fresh_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.messaging.groups.LEFT_WITHIN_S", 0.0)
    urls = await fresh_database("generator"), await fresh_database("review")
    async with Running(apache_kafka, *urls) as (generator, review):
        await generator.publish([message := events.message(events.preview_ready())])
        await eventually(lambda: _applied(review, message))
        with pytest.raises(UserError, match="review is still running") as refused:
            await recover(client_of(apache_kafka, Service.GENERATOR), urls[0])
        assert "start nothing before everything is recovered" in refused.value.recovery


async def test_the_gateway_gets_another_epoch_by_the_command(
    apache_kafka: ApacheKafkaBroker, fresh_database: FreshDatabase
) -> None:
    url = await fresh_database("gateway")
    connection = await asyncpg.connect(url)
    before = await connection.fetchval("select epoch from event_stream")
    code, output = await _run("gateway", GATEWAY_DATABASE_URL=url, GATEWAY_KAFKA_BOOTSTRAP=apache_kafka.bootstrap)
    assert (code, "0 events are published again" in output) == (0, True), output
    assert await connection.fetchval("select epoch from event_stream") != before
    await connection.close()
    code, output = await _run("gateway", GATEWAY_DATABASE_URL=url)
    assert code == 2 and "GATEWAY: KAFKA_BOOTSTRAP: Field required" in output


async def _run(*arguments: str, **environment: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "shared.recover", *arguments),
        cwd=SOURCE_ROOT,
        env={"PATH": os.environ["PATH"]} | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()
