"""A service's database is brought forward from a real Kafka: what is read, where the group goes on, and that doing it
again is harmless."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiokafka import TopicPartition

from services.review.consumers import consumer_router
from services.review.recovery import recollection
from services.review.store.reviews import ReviewRepository
from shared.contracts.base import Event
from shared.contracts.topics import Service, consumed_by
from shared.core.clock import SystemClock
from shared.core.errors import UserError
from shared.core.ids import new_id
from shared.messaging import groups
from shared.messaging.dead_letter_queue import partitions_of
from shared.messaging.events import Message, Publisher
from shared.messaging.groups import committed_offsets, move_group
from shared.messaging.recollection import bring_forward
from shared.messaging.replay import end_offsets
from shared.postgres.pool import open_pool
from tests.conftest import FreshDatabase
from tests.support import restored
from tests.support.brokers import ApacheKafkaBroker, client_of
from tests.support.events import decision_submitted, message, preview_ready, ref
from tests.support.messaging import produce, raw_consumer

CLOCK = SystemClock()
PUBLISHER = Publisher(Service.REVIEW, CLOCK, new_id)


async def _produce(kafka: ApacheKafkaBroker, messages: Sequence[Message[Event]]) -> None:
    for m in messages:
        await produce(kafka, m.topic, (m.event.key, m.event.model_dump_json().encode(), m.envelope.headers()))


async def _decided(url: str) -> tuple[list[Message[Any]], list[Message[Event]]]:
    """What review read, and what it published then."""
    run = ref()
    preview = preview_ready(**run)
    version_id = preview.candidates[0].version_id
    inputs: list[Message[Any]] = [
        message(preview, at=CLOCK.now()),
        message(decision_submitted(**run, version_id=version_id, submitted_at=CLOCK.now(), rating=4), at=CLOCK.now()),
        message(preview_ready(), at=CLOCK.now()),
    ]
    async with open_pool(url, size=2) as pool:
        router = consumer_router(lambda connection: ReviewRepository(connection, PUBLISHER), CLOCK)
        await restored.consume(pool, Service.REVIEW, router, inputs)
        return inputs, await restored.published(pool)


async def test_review_is_brought_forward_from_its_topics(
    apache_kafka: ApacheKafkaBroker, fresh_database: FreshDatabase
) -> None:
    config = client_of(apache_kafka, Service.REVIEW)
    inputs, own = await _decided(await fresh_database("review"))
    await _produce(apache_kafka, [*inputs, *own])
    await produce(apache_kafka, own[0].topic, ("a key", b"\xff no event of ours", []))
    partitions = [
        tp for topic in consumed_by(Service.REVIEW) for tp in await partitions_of(config, config.topic(topic.name))
    ]
    await move_group(config, await end_offsets(config, partitions))  # it had read everything

    async with open_pool(await fresh_database("review"), size=2) as pool:
        for again in range(2):
            done = await bring_forward(config, pool, recollection(PUBLISHER, CLOCK), datetime.now(UTC))
            assert (done.subjects, done.people) == (2, {})
            assert done.read_again == (0 if again else len(inputs))
        rows = await pool.fetch("select event_id, topic, key, headers, body, published_at from outbox order by id")
        states = await pool.fetchval("select array_agg(state order by state) from reviews")
        [decision] = await pool.fetch("select verdict, rating from decisions")
    assert states == ["accepted", "open"]
    assert tuple(decision) == ("accepted", 4)
    assert {r["event_id"]: (r["topic"], r["key"], r["body"]) for r in rows} == {
        m.envelope.id: (m.topic, m.event.key, m.event.model_dump_json()) for m in own
    }
    assert all(r["published_at"] for r in rows), "the relay does not send them again"
    told = {m.envelope.id: {name: value.decode() for name, value in m.envelope.headers()} for m in own}
    assert {r["event_id"]: r["headers"] for r in rows} == told
    assert set((await committed_offsets(config, partitions)).values()) == {0}


async def test_a_group_that_has_not_come_so_far_stays(
    apache_kafka: ApacheKafkaBroker, fresh_database: FreshDatabase
) -> None:
    """What it has not read yet is older than an hour before the moment."""
    config = client_of(apache_kafka, Service.REVIEW)
    inputs, _ = await _decided(await fresh_database("review"))
    await _produce(apache_kafka, inputs)
    behind = {TopicPartition("preview-ready", p.partition): 0 for p in await partitions_of(config, "preview-ready")}
    await move_group(config, behind)
    async with open_pool(await fresh_database("review"), size=2) as pool:
        done = await bring_forward(config, pool, recollection(PUBLISHER, CLOCK), datetime.now(UTC))
    assert done.read_again == 0
    assert await committed_offsets(config, list(behind)) == behind


async def test_nothing_is_recovered_while_a_member_is_in_the_group(
    apache_kafka: ApacheKafkaBroker, fresh_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups, "LEFT_WITHIN_S", 0.0)
    config = client_of(apache_kafka, Service.REVIEW)
    member = raw_consumer(config, "preview-ready")
    await member.start()
    try:
        await member.getmany(timeout_ms=200)
        async with open_pool(await fresh_database("review"), size=2) as pool:
            since = datetime.now(UTC) - timedelta(minutes=1)
            with pytest.raises(UserError, match="review is still running"):
                await bring_forward(config, pool, recollection(PUBLISHER, CLOCK), since)
    finally:
        await member.stop()
