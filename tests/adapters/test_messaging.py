"""Outbox, relay, consumer and inbox: one suite for the embedded broker and Apache Kafka."""

from __future__ import annotations

import asyncio
import base64
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
from aiokafka.admin import NewPartitions
from aiokafka.consumer import fetcher
from aiokafka.protocol.fetch import FetchRequest
from prometheus_client import REGISTRY

from shared.contracts.topics import Service
from shared.core.clock import SystemClock
from shared.core.errors import Permanent, Retryable
from shared.core.ids import new_id
from shared.messaging import broker as broker_module
from shared.messaging import consumer as consumer_module
from shared.messaging import inbox
from shared.messaging import relay as relay_module
from shared.messaging import replay as replay_module
from shared.messaging.backlog import measure_backlog
from shared.messaging.broker import EMBEDDED_FETCH_WAIT_MS, EMBEDDED_IDLE_FETCH_WAIT_MS, start_admin
from shared.messaging.consumer import Consumer, OnDeadLetter
from shared.messaging.dead_letters import DeadLetter
from shared.messaging.events import Message
from shared.messaging.group_lag import group_has_read
from shared.messaging.outbox import publish, publish_tombstone
from shared.messaging.relay import Relay
from shared.messaging.routers import Delivery, Handler
from shared.messaging.topics import create_missing
from shared.postgres.pool import Connection, transaction
from tests.support import events
from tests.support.brokers import (
    APACHE_PARTITIONS,
    ApacheKafkaBroker,
    EmbeddedBroker,
    RunningBroker,
    client_of,
    delete_topic,
    recreate_topic,
)
from tests.support.clock import HurriedClock
from tests.support.messaging import Side, everything_on, header, produce, record_effect, router_of, side
from tests.support.waiting import eventually, holds

Fresh = Callable[[str], Awaitable[str]]
TOPIC = "preview-ready"


@pytest_asyncio.fixture
async def generator(fresh_database: Fresh) -> AsyncIterator[Side]:
    async with side(Service.GENERATOR, await fresh_database("generator")) as found:
        yield found


@pytest_asyncio.fixture
async def review(fresh_database: Fresh) -> AsyncIterator[Side]:
    async with side(Service.REVIEW, await fresh_database("review")) as found:
        yield found


def consuming(
    on: Side, kafka: RunningBroker, handler: Handler = record_effect, *, on_dead_letter: OnDeadLetter | None = None
) -> Consumer:
    return Consumer(
        client_of(kafka, on.service),
        on.pool,
        router_of(on.service, handler),
        clock=HurriedClock(),
        on_dead_letter=on_dead_letter,
    )


def previews(count: int, keys: int = 5) -> list[Message[Any]]:
    refs = [events.ref() for _ in range(keys)]
    return [events.message(events.preview_ready(**refs[i % keys], label=str(i))) for i in range(count)]


def ids(messages: list[Message[Any]]) -> list[str]:
    return [m.envelope.id for m in messages]


async def has(side: Side, messages: list[Message[Any]], *, within: float = 30) -> None:
    wanted = set(ids(messages))

    async def arrived() -> bool:
        return wanted <= set(await side.effects())

    await eventually(arrived, within=within, what=f"the effects of {len(messages)} events")


async def in_order_per_key(side: Side, messages: list[Message[Any]]) -> None:
    sent: dict[str, list[str]] = {}
    for m in messages:
        sent.setdefault(m.event.key, []).append(m.event.label)
    rows = await side.pool.fetch("select key, label from effects order by seq")
    took: dict[str, list[str]] = {}
    for r in rows:
        took.setdefault(r["key"], []).append(r["label"])
    assert took == sent


async def test_events_arrive_once_unchanged_and_in_order_per_key(
    kafka: RunningBroker, generator: Side, review: Side
) -> None:
    sent = previews(300, keys=10)
    seen: dict[str, Message[Any]] = {}

    async def keep(delivery: Delivery[Any]) -> None:
        seen[delivery.message.envelope.id] = delivery.message
        await record_effect(delivery)

    async with generator.relay(kafka), consuming(review, kafka, keep):
        for i in range(0, 300, 30):
            await generator.publish(sent[i : i + 30])
        await has(review, sent)
    assert {m.envelope.id: m for m in sent} == seen
    headers = {header(r, "ce_id"): dict(r.headers) for r in await everything_on(kafka, TOPIC)}
    assert headers == {m.envelope.id: dict(m.envelope.headers()) for m in sent}, "the publisher adds none of its own"
    assert sorted(await review.effects()) == sorted(ids(sent))
    await in_order_per_key(review, sent)
    assert await generator.unpublished() == 0


async def test_the_embedded_broker_is_asked_less_often_when_there_is_nothing_and_often_again_when_there_is(
    embedded_broker: EmbeddedBroker, generator: Side, review: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[int] = []

    def asked(wait_ms: int, *rest: Any, **named: Any) -> FetchRequest:
        waits.append(wait_ms)
        return FetchRequest(wait_ms, *rest, **named)

    monkeypatch.setattr(fetcher, "FetchRequest", asked)
    monkeypatch.setattr(broker_module, "EMBEDDED_IDLE_AFTER_S", 0.5)
    sent = previews(2)
    async with generator.relay(embedded_broker), consuming(review, embedded_broker):
        await eventually(lambda: EMBEDDED_IDLE_FETCH_WAIT_MS in waits, what="a fetch that may wait")
        assert waits[0] == EMBEDDED_FETCH_WAIT_MS
        for each in sent:
            waits.clear()
            await generator.publish([each])
            await eventually(lambda: EMBEDDED_FETCH_WAIT_MS in waits, what="a fetch that may not")
            await eventually(lambda: waits[-1] == EMBEDDED_IDLE_FETCH_WAIT_MS, what="a fetch that may again")
    assert await review.effects() == ids(sent)


async def test_events_wait_in_the_outbox_until_there_is_a_relay(
    kafka: RunningBroker, generator: Side, review: Side
) -> None:
    sent = previews(20)
    await generator.publish(sent)
    async with consuming(review, kafka):
        assert await review.effects() == []
        async with generator.relay(kafka):
            await has(review, sent)
    await in_order_per_key(review, sent)


async def test_a_transaction_that_is_rolled_back_publishes_nothing(
    kafka: RunningBroker, generator: Side, review: Side
) -> None:
    undone, done = previews(1), previews(1)
    async with generator.relay(kafka), consuming(review, kafka):
        with pytest.raises(ZeroDivisionError):
            await _publish_and_fail(generator, undone)
        await generator.publish(done)
        await has(review, done)
    assert await review.effects() == ids(done)


async def _publish_and_fail(side: Side, messages: list[Message[Any]]) -> None:
    async with transaction(side.pool) as connection:
        await publish(connection, messages)
        raise ZeroDivisionError


async def test_a_relay_that_dies_before_it_marks_publishes_twice_with_a_single_effect(
    kafka: RunningBroker, generator: Side, review: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = previews(40)
    mark = relay_module._MARK
    monkeypatch.setattr(
        relay_module,
        "_MARK",
        "select pg_terminate_backend(pg_backend_pid()), $1::bigint[], $2::text[], $3::integer[], $4::bigint[]",
    )
    async with consuming(review, kafka):
        async with generator.relay(kafka):
            await generator.publish(sent)
            await has(review, sent)
        assert await generator.unpublished() == 40
        monkeypatch.setattr(relay_module, "_MARK", mark)
        last = previews(1)
        async with generator.relay(kafka):
            await eventually(lambda: _none_left(generator))
            await generator.publish(last)
            await has(review, last)
    assert len(await everything_on(kafka, TOPIC)) >= 81
    assert sorted(await review.effects()) == sorted(ids([*sent, *last]))
    await in_order_per_key(review, [*sent, *last])


async def _none_left(side: Side) -> bool:
    return await side.unpublished() == 0


async def test_a_row_that_no_broker_accepts_is_set_aside_and_the_others_go_on(
    kafka: RunningBroker, generator: Side, review: Side
) -> None:
    sent = previews(30, keys=2)
    refused = REGISTRY.get_sample_value("retake_outbox_refused_total", {"service": "generator", "topic": TOPIC}) or 0
    async with consuming(review, kafka):
        await generator.publish(sent[:15])
        await generator.pool.execute(
            """insert into outbox (event_id, topic, key, headers, body)
               values ($1, $2, $3, '{}'::jsonb, repeat('x', 1200000))""",
            new_id(),
            TOPIC,
            sent[0].event.key,
        )
        await generator.publish(sent[15:])
        async with generator.relay(kafka) as relay:
            await has(review, sent)
            await eventually(lambda: relay.problem is None)
            await _all_published_but(generator, 1)
    await in_order_per_key(review, sent)
    row = await generator.pool.fetchrow("select length(body), refusal from outbox where refused_at is not null")
    assert row is not None
    assert (row[0], "MessageSizeTooLarge" in row["refusal"]) == (1_200_000, True)
    now = REGISTRY.get_sample_value("retake_outbox_refused_total", {"service": "generator", "topic": TOPIC})
    assert now == refused + 1


async def test_a_row_that_the_broker_refuses_is_told_from_the_innocent_rows_of_its_batch(
    apache_kafka: ApacheKafkaBroker, generator: Side, review: Side
) -> None:
    await recreate_topic(apache_kafka.bootstrap, TOPIC, {"max.message.bytes": "200000"})
    sent = previews(20, keys=1)
    large = events.message(events.preview_ready(label="x" * 300_000))
    await generator.publish([*sent[:10], large, *sent[10:]])
    async with consuming(review, apache_kafka), generator.relay(apache_kafka) as relay:
        await has(review, sent)
        await _all_published_but(generator, 1)
        more = previews(5)
        await generator.publish(more)
        await has(review, more)
        await eventually(lambda: relay.problem is None)
    set_aside = await generator.pool.fetch("select event_id from outbox where refused_at is not null")
    assert [r["event_id"] for r in set_aside] == [large.envelope.id]


async def _all_published_but(side: Side, count: int) -> None:
    async def published() -> bool:
        return await side.unpublished() == count

    await eventually(published, what="everything but what was set aside to be published")


async def test_one_relay_is_active_and_another_takes_over(kafka: RunningBroker, generator: Side, review: Side) -> None:
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(consuming(review, kafka))
        first = await stack.enter_async_context(generator.relay(kafka))
        before = previews(10)
        await generator.publish(before)
        await has(review, before)
        second = await stack.enter_async_context(generator.relay(kafka))
        await eventually(lambda: second.problem is None, what="the second relay to stand by")
        active = await generator.pool.fetchval("select token from relay_lease")
        await first.__aexit__()  # its process ends
        after = previews(10)
        await generator.publish(after)
        await has(review, after)
        assert await generator.pool.fetchval("select token from relay_lease") > active
    assert sorted(await review.effects()) == sorted(ids([*before, *after]))
    assert len(await everything_on(kafka, TOPIC)) == 20


async def test_a_relay_reconnects_to_postgresql(kafka: RunningBroker, generator: Side, review: Side) -> None:
    async with generator.relay(kafka) as relay, consuming(review, kafka):
        before, after = previews(5), previews(5)
        await generator.publish(before)
        await has(review, before)
        await generator.pool.execute("select pg_terminate_backend(session_pid) from relay_lease")
        await generator.publish(after)
        await has(review, after)
        await eventually(lambda: relay.problem is None)


async def test_a_consumer_killed_before_it_commits_offsets_applies_nothing_twice(
    kafka: RunningBroker, generator: Side, review: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = previews(30)

    async def never(*_: object) -> None:
        raise asyncio.CancelledError  # as if the process ended here

    async with generator.relay(kafka):
        with monkeypatch.context() as patch:
            patch.setattr(Consumer, "_commit", never)
            async with consuming(review, kafka):
                await generator.publish(sent)
                await eventually(review.effects)
        more = previews(5)
        await generator.publish(more)
        async with consuming(review, kafka):
            await has(review, [*sent, *more])
    assert sorted(await review.effects()) == sorted(ids([*sent, *more]))


async def test_a_consumer_that_loses_the_database_continues_where_it_was(
    kafka: RunningBroker, generator: Side, review: Side
) -> None:
    sent = previews(20)
    cuts = iter([True] * 3)

    async def cut(delivery: Delivery[Any]) -> None:
        await record_effect(delivery)
        if next(cuts, False):
            await delivery.connection.execute("select pg_terminate_backend(pg_backend_pid())")

    async with generator.relay(kafka), consuming(review, kafka, cut):
        await generator.publish(sent)
        await has(review, sent)
    assert sorted(await review.effects()) == sorted(ids(sent))
    await in_order_per_key(review, sent)
    assert await everything_on(kafka, "review.dlq") == []


GOOD = events.message(events.preview_ready())
HEADERS = GOOD.envelope.headers()
BODY = GOOD.event.model_dump_json().encode()


def without(name: str) -> list[tuple[str, bytes]]:
    return [(k, v) for k, v in HEADERS if k != name]


def changed(name: str, value: bytes) -> list[tuple[str, bytes]]:
    return [*without(name), (name, value)]


POISON = {
    "not json": (b"\xff\x00 no json", HEADERS, "bad_event"),
    "empty": (b"", HEADERS, "bad_event"),
    "another shape": (b'{"run_id": 1}', HEADERS, "bad_event"),
    "no headers": (BODY, [], "bad_envelope"),
    "no id": (BODY, without("ce_id"), "bad_envelope"),
    "an id that is none": (BODY, changed("ce_id", b"seven"), "bad_envelope"),
    "no time": (BODY, changed("ce_time", b"yesterday"), "bad_envelope"),
    "bytes as text": (BODY, changed("ce_subject", b"\xff\xfe"), "bad_envelope"),
    "another specification": (BODY, changed("ce_specversion", b"2.0"), "bad_envelope"),
    "an unknown type": (BODY, changed("ce_type", b"retake.surprise.v1"), "unknown_type"),
    "a later version": (BODY, changed("ce_type", b"retake.preview-ready.v2"), "unknown_type"),
    "nul": (BODY[:-1] + b"\x00}", [*changed("ce_subject", b"a\x00b"), ("x\x00y", b"z")], "bad_event"),
}


async def test_poison_is_dead_lettered_with_its_cause_and_the_partition_continues(
    kafka: RunningBroker, generator: Side, review: Side
) -> None:
    reported: list[DeadLetter] = []
    ref = events.ref()
    good = [events.message(events.preview_ready(**ref, label=str(i))) for i in range(2)]

    async def report(connection: Connection, letter: DeadLetter) -> None:
        reported.append(letter)

    def record(message: Message[Any]) -> tuple[str, bytes, list[tuple[str, bytes]]]:
        return ref["asset_id"], message.event.model_dump_json().encode(), message.envelope.headers()

    poison = [(ref["asset_id"], body, headers) for body, headers, _ in POISON.values()]
    await produce(kafka, TOPIC, record(good[0]), *poison, record(good[1]))
    async with consuming(review, kafka, on_dead_letter=report), review.relay(kafka):
        await has(review, good)
        await eventually(lambda: _none_left(review))
    assert await review.effects() == ids(good)
    letters = await everything_on(kafka, "review.dlq")
    assert [header(r, "dlq_code") for r in letters] == [code for _, _, code in POISON.values()]
    assert len(reported) == len(POISON)
    for letter, (_, headers, _) in zip(letters, POISON.values(), strict=True):
        assert letter.key.decode() == ref["asset_id"]
        assert header(letter, "dlq_topic") == TOPIC
        assert header(letter, "dlq_cause")
        assert header(letter, "dlq_attempts") == "1"
        assert header(letter, "dlq_offset")
        assert {k.replace("\x00", "�") for k, _ in headers} <= {k for k, _ in letter.headers}
    assert letters[4].value == BODY
    assert base64.b64decode(letters[-1].value) == BODY[:-1] + b"\x00}"


async def test_a_header_that_is_not_text_neither_stops_a_batch_nor_loses_a_record(
    kafka: RunningBroker, generator: Side, review: Side
) -> None:
    """FastStream's own batch parser raises at such a header, and its next acknowledgement commits past the batch."""
    sent = previews(20, keys=1)
    key = sent[0].event.key
    binary = ("signature", b"\xff\xfe\x00")
    records = [
        (key, m.event.model_dump_json().encode(), [*m.envelope.headers(), *([binary] if i == 10 else [])])
        for i, m in enumerate(sent)
    ]
    await produce(kafka, TOPIC, *records)
    readable = [m for i, m in enumerate(sent) if i != 10]
    async with consuming(review, kafka), review.relay(kafka):
        await has(review, readable)
        await eventually(lambda: _none_left(review))
    assert await review.effects() == ids(readable)
    (letter,) = await everything_on(kafka, "review.dlq")
    assert header(letter, "dlq_code") == "bad_envelope"
    assert header(letter, "ce_id") == sent[10].envelope.id
    assert letter.value == records[10][1]

    more = previews(1, keys=1)  # a consumer that returns continues after all of them
    async with generator.relay(kafka), consuming(review, kafka):
        await generator.publish(more)
        await has(review, more)
    assert len(await everything_on(kafka, "review.dlq")) == 1


async def test_no_topic_is_created(apache_kafka: ApacheKafkaBroker, generator: Side, review: Side) -> None:
    """FastStream creates missing topics, with a single partition, unless told otherwise."""
    await delete_topic(apache_kafka.bootstrap, TOPIC)
    await create_missing(apache_kafka.bootstrap, partitions=APACHE_PARTITIONS, replicas=1)


async def test_an_oversized_record_is_dead_lettered(kafka: RunningBroker, generator: Side, review: Side) -> None:
    if not kafka.embedded:
        pytest.skip("Apache Kafka refuses such a record itself")
    good = previews(1)
    await produce(kafka, TOPIC, ("key", b"x" * 3_000_000, HEADERS))
    async with consuming(review, kafka), review.relay(kafka) as relay, generator.relay(kafka):
        await generator.publish(good)
        await has(review, good)
        # It may be in another partition than the good event, so it may be read later.
        (letter,) = await eventually(lambda: everything_on(kafka, "review.dlq"), every=0.2)
        await eventually(lambda: _none_left(review))
        assert relay.problem is None
    assert header(letter, "dlq_truncated") == "3000000"
    assert letter.value == b"x" * len(letter.value)


@pytest.mark.parametrize(
    ("body", "kept", "told"),
    [
        (b"\xff" * 700_000, b"\xff" * 700_000, None),
        (b"\xff" * 900_000, b"\xff" * 10_000, "900000"),
        (b"\x00" * 900_000, b"\x00" * 10_000, "900000"),
        (b'{"a": "\xff\x00"}', b'{"a": "\xff\x00"}', None),
    ],
    ids=["binary", "binary too large as encoded", "nul", "short"],
)
async def test_bytes_that_are_no_text_are_kept_as_bytes_and_stop_nobody(
    kafka: RunningBroker, generator: Side, review: Side, body: bytes, kept: bytes, told: str | None
) -> None:
    good = previews(1, keys=1)
    headers = [*HEADERS, *((f"x{i}", b"\xfe" * 9_000) for i in range(12))]
    await produce(kafka, TOPIC, (good[0].event.key, body, headers))
    async with consuming(review, kafka), review.relay(kafka) as relay, generator.relay(kafka):
        await generator.publish(good)
        await has(review, good)
        await eventually(lambda: _none_left(review))
        assert relay.problem is None
    (letter,) = await everything_on(kafka, "review.dlq")
    assert base64.b64decode(letter.value, validate=True) == kept
    assert header(letter, "dlq_encoding") == "base64"
    assert header(letter, "dlq_truncated") == told
    assert header(letter, "dlq_dropped_headers") == "12", "27,000 bytes each once they are text"
    assert await review.pool.fetchval("select count(*) from outbox where refused_at is not null") == 0


async def test_a_permanent_error_is_dead_lettered_at_once_with_the_failure_of_its_command(
    kafka: RunningBroker, generator: Side, review: Side
) -> None:
    sent = previews(10, keys=1)
    failure = events.message(events.review_updated())

    async def refuse_the_third(delivery: Delivery[Any]) -> None:
        await record_effect(delivery)
        if delivery.message.event.label == "2":
            raise Permanent("no_use", "the third one is no use")

    async def report(connection: Connection, letter: DeadLetter) -> None:
        assert letter.subject == sent[2].envelope.subject
        await publish(connection, [failure])

    async with (
        generator.relay(kafka),
        consuming(review, kafka, refuse_the_third, on_dead_letter=report),
        review.relay(kafka),
    ):
        await generator.publish(sent)
        await has(review, [m for m in sent if m is not sent[2]])
        await eventually(lambda: _none_left(review))
    assert await review.effects() == [i for i in ids(sent) if i != sent[2].envelope.id]
    (letter,) = await everything_on(kafka, "review.dlq")
    assert (header(letter, "dlq_code"), header(letter, "dlq_cause")) == ("no_use", "the third one is no use")
    assert letter.value == sent[2].event.model_dump_json().encode()
    assert [header(r, "ce_id") for r in await everything_on(kafka, "review-updated")] == [failure.envelope.id]


async def test_an_unexpected_exception_is_retried_and_then_dead_lettered(
    kafka: RunningBroker, generator: Side, review: Side
) -> None:
    sent = previews(6, keys=2)
    tries: list[str] = []

    async def buggy(delivery: Delivery[Any]) -> None:
        await record_effect(delivery)
        if delivery.message.event.label == "1":
            tries.append(delivery.message.envelope.id)
            raise ZeroDivisionError("a bug")

    async with generator.relay(kafka), consuming(review, kafka, buggy), review.relay(kafka):
        await generator.publish(sent)
        await has(review, [m for m in sent if m is not sent[1]])
        await eventually(lambda: _none_left(review))
        letters = await everything_on(kafka, "review.dlq")
    assert len(tries) in (consumer_module.UNEXPECTED_ATTEMPTS, consumer_module.UNEXPECTED_ATTEMPTS + 1)
    assert sorted(await review.effects()) == sorted(i for i in ids(sent) if i != sent[1].envelope.id)
    (letter,) = letters
    assert header(letter, "dlq_code") == "unexpected"
    assert "ZeroDivisionError('a bug')" in (header(letter, "dlq_cause") or "")
    assert header(letter, "dlq_attempts") == str(consumer_module.UNEXPECTED_ATTEMPTS)


async def test_a_transient_error_is_retried_in_place_and_keeps_the_order(
    kafka: RunningBroker, generator: Side, review: Side
) -> None:
    sent = previews(10, keys=1)
    tries = 0

    async def at_the_eighth_try(delivery: Delivery[Any]) -> None:
        nonlocal tries
        await record_effect(delivery)
        if delivery.message.event.label == "3":
            tries += 1
            if tries < 8:
                raise Retryable("away", "the other side is away", delay_s=0.01)

    async with generator.relay(kafka), consuming(review, kafka, at_the_eighth_try):
        await generator.publish(sent)
        await has(review, sent)
    await in_order_per_key(review, sent)
    assert tries == 8
    assert await everything_on(kafka, "review.dlq") == []


async def test_a_tombstone_has_no_effect_on_consumers(kafka: RunningBroker, generator: Side, review: Side) -> None:
    sent = previews(2, keys=1)
    async with generator.relay(kafka), consuming(review, kafka):
        async with transaction(generator.pool) as connection:
            await publish(connection, [sent[0]])
            await publish_tombstone(connection, events.message(events.preview_ready(asset_id=sent[0].event.key)))
            await publish(connection, [sent[1]])
        await has(review, sent)
    assert [r.value is None for r in await everything_on(kafka, TOPIC)] == [False, True, False]
    assert await review.effects() == ids(sent)


async def test_early_events_are_parked_until_their_subject_exists(review: Side) -> None:
    subject = new_id()
    early = [events.message(events.decision_submitted(run_id=subject)) for _ in range(3)]
    async with transaction(review.pool) as connection:
        for m in early:
            await inbox.park(connection, subject, m)
    async with transaction(review.pool) as connection:
        assert await inbox.unpark(connection, new_id()) == []
        assert await inbox.unpark(connection, subject) == early
        assert await inbox.unpark(connection, subject) == []


async def test_a_broker_that_lost_its_data_gets_a_replay_that_is_applied_once(
    kafka: RunningBroker, generator: Side, review: Side
) -> None:
    sent = previews(60)
    running = events.message(events.progress())
    old_commit = events.message(events.complete())
    async with generator.relay(kafka), consuming(review, kafka):
        await generator.publish([*sent, running, old_commit])
        await has(review, sent)
        await eventually(lambda: _none_left(generator))
    await generator.pool.execute(
        "update outbox set created_at = now() - interval '30 days' where topic in ('complete') or event_id = $1",
        sent[0].envelope.id,
    )

    await kafka.lose_data()

    after = previews(5)
    async with generator.relay(kafka), consuming(review, kafka):
        await generator.publish(after)
        await has(review, after)
        await eventually(lambda: _none_left(generator))
    assert sorted(await review.effects()) == sorted(ids([*sent, *after]))
    there = {header(r, "ce_id") for r in await everything_on(kafka, TOPIC)}
    assert there == {*ids(sent[1:]), *ids(after)}, "events older than the window are not replayed"
    assert await everything_on(kafka, "progress") == [], "progress is not replayed"
    assert [header(r, "ce_id") for r in await everything_on(kafka, "complete")] == [old_commit.envelope.id], (
        "the last commit of an asset is replayed, however old it is"
    )


async def test_a_topic_that_is_recreated_in_the_same_cluster_gets_a_replay(
    apache_kafka: ApacheKafkaBroker, generator: Side, review: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay_module, "CHUNK_ROWS", 7)
    sent, elsewhere = previews(40), events.message(events.complete())
    async with generator.relay(apache_kafka), consuming(review, apache_kafka):
        await generator.publish([*sent, elsewhere])
        await has(review, sent)
        await eventually(lambda: _none_left(generator))
    await delete_topic(apache_kafka.bootstrap, TOPIC)
    await create_missing(apache_kafka.bootstrap, partitions=APACHE_PARTITIONS, replicas=1)

    async def all_there() -> bool:
        found = {header(r, "ce_id") for r in await everything_on(apache_kafka, TOPIC)}
        return found == set(ids(sent))

    async with generator.relay(apache_kafka):
        await eventually(all_there, every=0.5, within=60, what="the replay of the topic")
        await eventually(lambda: _none_left(generator))
    assert len(await everything_on(apache_kafka, "complete")) == 1, "what is not lost is not replayed"
    assert await generator.pool.fetchval("select count(*) from relay_replay") == 0


async def test_an_interrupted_replay_continues_where_it_stopped(
    kafka: RunningBroker, generator: Side, review: Side
) -> None:
    sent = previews(20)
    async with generator.relay(kafka):
        await generator.publish(sent)
        await eventually(lambda: _none_left(generator))
    await generator.pool.execute(
        """insert into relay_replay (topics, since, done_id, last_id)
           select array['preview-ready'], now() - interval '1 day', min(id) + 9, max(id) from outbox"""
    )
    async with generator.relay(kafka) as relay:
        await eventually(lambda: relay.problem is None)
        await eventually(lambda: _replayed(generator))
        await eventually(lambda: _none_left(generator))
    there = Counter(header(r, "ce_id") for r in await everything_on(kafka, TOPIC))
    assert there == Counter(ids(sent)) + Counter(ids(sent[10:]))


async def _replayed(side: Side) -> bool:
    return not await side.pool.fetchval("select count(*) from relay_replay")


async def test_nothing_is_replayed_to_the_same_broker(kafka: RunningBroker, generator: Side, review: Side) -> None:
    sent = previews(10)
    async with generator.relay(kafka), consuming(review, kafka):
        await generator.publish(sent)
        await has(review, sent)
        await eventually(lambda: _none_left(generator))  # else the next relay may send what this one did not mark
    async with generator.relay(kafka) as relay:
        await eventually(lambda: relay.problem is None)
    assert len(await everything_on(kafka, TOPIC)) == 10


async def test_a_replay_larger_than_the_broker_keeps_reaches_a_slow_consumer(
    kafka: RunningBroker, fresh_database: Fresh, review: Side
) -> None:
    """The embedded broker forgets all but the last 5 MB of a partition: the relay must wait for the consumers."""
    ballast = "x" * 60_000
    run = events.ref()
    sent = [events.message(events.decision_submitted(**run, feedback=ballast)) for _ in range(200)]

    async def slowly(delivery: Delivery[Any]) -> None:
        await record_effect(delivery)
        await asyncio.sleep(0.005)

    async with side(Service.GATEWAY, await fresh_database("gateway")) as gateway:
        for i in range(0, 200, 50):
            await gateway.publish(sent[i : i + 50])
        async with consuming(review, kafka, slowly), gateway.relay(kafka):
            await has(review, sent, within=30)
    assert await review.effects() == ids(sent)


async def test_the_consumer_is_settled_only_when_everything_is_read(
    kafka: RunningBroker, generator: Side, review: Side
) -> None:
    sent = previews(20)
    gate = asyncio.Event()

    async def wait(delivery: Delivery[Any]) -> None:
        await gate.wait()
        await record_effect(delivery)

    await generator.publish(sent)
    async with generator.relay(kafka):
        await eventually(lambda: _none_left(generator))
    async with consuming(review, kafka, wait) as consumer:
        await holds(lambda: consumer.settled_for() == 0, during=2)
        gate.set()
        await has(review, sent)
        await eventually(lambda: consumer.settled_for() > 0.5)
        assert consumer.problem is None


async def test_gauges_tell_what_waits_and_for_how_long(kafka: RunningBroker, generator: Side, review: Side) -> None:
    def value(name: str, **labels: str) -> float | None:
        return REGISTRY.get_sample_value(name, labels)

    await generator.publish(previews(3))
    await generator.pool.execute("update outbox set created_at = now() - interval '90 seconds'")
    await generator.pool.execute(
        """insert into jobs (job_id, kind, run_at) values
           (gen_random_uuid(), 'due', now() - interval '40 seconds'),
           (gen_random_uuid(), 'later', now() + interval '1 hour')"""
    )
    await measure_backlog(generator.pool, Service.GENERATOR)
    assert value("retake_outbox_unpublished", service="generator") == 3
    assert 90 <= (value("retake_outbox_oldest_age_seconds", service="generator") or 0) < 120
    assert 40 <= (value("retake_jobs_oldest_waiting_seconds", service="generator", kind="due") or 0) < 70
    assert value("retake_jobs_oldest_waiting_seconds", service="generator", kind="later") == 0
    gate = asyncio.Event()

    async def wait(delivery: Delivery[Any]) -> None:
        await gate.wait()
        await record_effect(delivery)

    sent = previews(40, keys=1)
    async with generator.relay(kafka), consuming(review, kafka, wait):
        await generator.publish(sent)
        await eventually(lambda: _none_left(generator))
        gate.set()
        await has(review, sent)
        await eventually(lambda: value("retake_consumer_lag", service="review", topic=TOPIC) == 0)
    await measure_backlog(generator.pool, Service.GENERATOR)
    assert value("retake_outbox_unpublished", service="generator") == 0
    assert value("retake_outbox_oldest_age_seconds", service="generator") == 0


async def test_a_group_has_read_a_topic_when_every_replica_has(
    apache_kafka: ApacheKafkaBroker, generator: Side, review: Side
) -> None:
    """One replica may be settled while the partitions of another hold unread events."""
    config = client_of(apache_kafka, Service.REVIEW)
    gate = asyncio.Event()

    async def wait(delivery: Delivery[Any]) -> None:
        await gate.wait()
        await record_effect(delivery)

    await eventually(lambda: group_has_read(config, TOPIC), every=0.2, what="an empty topic to count as read")
    sent = previews(30, keys=12)
    async with generator.relay(apache_kafka), consuming(review, apache_kafka, wait):
        await generator.publish(sent)
        await eventually(lambda: _none_left(generator))
        assert not await group_has_read(config, TOPIC)
        gate.set()
        await has(review, sent)
        await eventually(lambda: group_has_read(config, TOPIC), every=0.2)


async def test_running_services_notice_a_broker_that_restarts_empty_at_the_same_address(
    apache_kafka: ApacheKafkaBroker, generator: Side, review: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "CLUSTER_CHECK_S", 0.5)
    before, after = previews(20), previews(20)
    async with generator.relay(apache_kafka), consuming(review, apache_kafka):
        await generator.publish(before)
        await has(review, before)
        await apache_kafka.lose_data()
        await generator.publish(after)
        await has(review, after, within=60)
        await eventually(lambda: _none_left(generator))
    assert sorted(await review.effects()) == sorted(ids([*before, *after]))
    there = {header(r, "ce_id") for r in await everything_on(apache_kafka, TOPIC)}
    assert there == set(ids([*before, *after]))


async def test_clients_soon_use_what_changed_in_the_cluster(
    apache_kafka: ApacheKafkaBroker, generator: Side, review: Side
) -> None:
    """New partitions stand for those that get another leader: clients learn of both by asking only."""
    prefix = f"growing-{new_id()}-"
    to, at = (replace(client_of(apache_kafka, s), prefix=prefix) for s in (Service.GENERATOR, Service.REVIEW))
    await create_missing(apache_kafka.bootstrap, partitions=1, replicas=1, prefix=prefix)
    sent = previews(1)

    async def reaches_a_new_partition() -> bool:
        sent.extend(more := previews(4))
        await generator.publish(more)
        await eventually(lambda: _none_left(generator))
        return bool(await generator.pool.fetchval("select exists (select from relay_offsets where partition > 0)"))

    async with (
        Relay(to, generator.url, clock=SystemClock()),
        Consumer(at, review.pool, router_of(Service.REVIEW), clock=SystemClock()),
    ):
        await generator.publish(sent)
        await has(review, sent)
        admin = await start_admin(to)
        await admin.create_partitions({to.topic(TOPIC): NewPartitions(APACHE_PARTITIONS)})
        await admin.close()
        await eventually(reaches_a_new_partition, within=20, every=0.5, what="a record in a new partition")
        await has(review, sent, within=20)  # up to 60 s each with longer-lived metadata


async def test_replicas_share_the_work_and_lose_nothing_when_one_leaves(
    apache_kafka: ApacheKafkaBroker, generator: Side, review: Side
) -> None:
    """On Apache Kafka only: the embedded broker accepts one member per group."""
    took: dict[str, list[str]] = {"a": [], "b": []}

    def by(name: str) -> Handler:
        async def handle(delivery: Delivery[Any]) -> None:
            took[name].append(delivery.message.envelope.id)
            await record_effect(delivery)
            await asyncio.sleep(0.002)

        return handle

    sent: list[Message[Any]] = []
    refs = [events.ref() for _ in range(40)]

    async def some_more() -> None:
        more = [events.message(events.preview_ready(**ref, label=str(len(sent) + i))) for i, ref in enumerate(refs)]
        sent.extend(more)
        await generator.publish(more)

    async with generator.relay(apache_kafka), consuming(review, apache_kafka, by("a")):
        await some_more()
        await has(review, sent)
        async with consuming(review, apache_kafka, by("b")):
            while not took["b"] and len(sent) < 10_000:
                await some_more()
                await asyncio.sleep(0.1)
            await some_more()
        await some_more()  # while its partitions are reassigned
        await has(review, sent)
    assert took["b"]
    assert sorted(await review.effects()) == sorted(ids(sent))
    await in_order_per_key(review, sent)
