"""A service's database that is older than everybody else's is brought forward from the topics.

The others have acted on what the service published since, so it must not decide a second time, and perhaps
differently. Its own events tell what it had decided: those of each subject (a run, a compilation) are folded into its
rows, together with the inputs that they followed from, before anything is read again. They are in the outbox again,
too, as published. Then its group goes back to the moment, and whatever had no consequence yet is applied as if it came
now; of the rest the rows know already.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import asyncpg
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from shared.contracts.base import Event
from shared.contracts.topics import Service, Topic, consumed_by, produced_by
from shared.core.errors import Permanent, Retryable, UserError
from shared.messaging.broker import BrokerConfig, offsets_client
from shared.messaging.dead_letter_queue import partitions_of
from shared.messaging.events import Message, read_message
from shared.messaging.groups import committed_offsets, move_group, require_no_session, wait_until_left
from shared.postgres.deferred_writes import DeferredWrites
from shared.postgres.pool import Connection, Pool, transaction

ALLOWANCE: Final = timedelta(hours=1)
"""How long before the moment an event may have been published that the database had not applied: of clocks that differ,
of consumers that lagged, of an outbox that waited."""
CLOCKS: Final = timedelta(minutes=1)
KAFKA_TIMEOUT_S: Final = 60.0
FETCH_WAIT_MS: Final = 500
CHUNK: Final = 500

_NEWEST: Final = "select max(received_at) from inbox"
_PUBLISHED: Final = """
    insert into outbox (event_id, topic, key, headers, body, created_at, published_at)
    select * from unnest($1::uuid[], $2::text[], $3::text[], $4::jsonb[], $5::text[], $6::timestamptz[],
                         $6::timestamptz[])
    on conflict (event_id) do update set published_at = coalesce(outbox.published_at, excluded.published_at)
"""

Story = Sequence[Message[Event]]
"""What the topics tell of one subject, in order of time."""
Fold = Callable[[Connection, Story], Awaitable[str | None]]
"""Brings one subject's rows to where the story ends, in one transaction; rows that are there already stay. Returns why
a person has to look after it, or None."""


@dataclass(frozen=True)
class Recollection:
    """How a service is brought forward. `beside`: topics of others that tell what its own events leave out. `lost`:
    what no topic tells, as sentences for operators."""

    fold: Fold
    beside: tuple[type[Event], ...] = ()
    lost: tuple[str, ...] = ()


@dataclass
class BroughtForward:
    """`since`: where reading began. `people`: subject -> why a person has to look after it."""

    since: datetime
    subjects: int = 0
    published: int = 0
    read_again: int = 0
    people: dict[str, str] = field(default_factory=dict)


async def bring_forward(
    config: BrokerConfig, pool: Pool, recollection: Recollection, since: datetime
) -> BroughtForward:
    """`since`: the moment to which the service's database was restored. Doing it again is harmless.

    Raises UserError `services_running`, `database_newer`, `topics_too_short`; Retryable if Kafka does not answer.
    """
    service = config.service
    newest = await _newest(pool, service, since)
    since = max(min(since, newest) - ALLOWANCE, _earliest(config, since - ALLOWANCE))
    try:
        async with asyncio.timeout(KAFKA_TIMEOUT_S):
            await wait_until_left(config, [service])
            own = await _offsets_at(config, produced_by(service), since)
            inputs = await _offsets_at(config, consumed_by(service), since)
        wanted = {event.TOPIC for event in recollection.beside}
        beside = {tp: at for tp, at in inputs.items() if config.name_of(tp.topic) in wanted}
        published = await _read(config, own)
        others = await _read(config, beside)
    except (KafkaError, OSError, TimeoutError) as e:
        raise Retryable("broker_unreachable", f"Kafka at {config.bootstrap}: {e!r}", "Check the address.") from e
    done = BroughtForward(since, published=len(published))
    for begin in range(0, len(published), CHUNK):
        await pool.execute(_PUBLISHED, *_columns(published[begin : begin + CHUNK], config))
    for subject, story in stories(_messages(published, config), _messages(others, config)).items():
        async with transaction(pool) as connection:
            writes = DeferredWrites(connection)
            why = await recollection.fold(writes.as_connection(), story)
            await writes.flush()
        done.subjects += 1
        if why:
            done.people[subject] = why
    try:
        async with asyncio.timeout(KAFKA_TIMEOUT_S):
            done.read_again = await _go_back(config, inputs)
    except (KafkaError, OSError, TimeoutError) as e:
        raise Retryable("broker_unreachable", f"Kafka at {config.bootstrap}: {e!r}", "Run it again.") from e
    return done


async def _newest(pool: Pool, service: Service, since: datetime) -> datetime:
    """When the database last applied an event, or `since` if it never did. Raises UserError."""
    try:
        await require_no_session(pool, service)
        newest: datetime | None = await pool.fetchval(_NEWEST)
    except (OSError, TimeoutError, asyncpg.PostgresConnectionError) as e:
        raise Retryable("database_unreachable", f"{service}: {e!r}", f"Check {service.upper()}_DATABASE_URL.") from e
    if newest and newest > since + CLOCKS:
        raise UserError(
            "database_newer",
            f"The database of {service} has applied events until {_text(newest)}, after {_text(since)}.",
            "Give the moment to which it was restored. If the service has run since, nothing needs to be recovered.",
        )
    return newest or since


def _earliest(config: BrokerConfig, since: datetime) -> datetime:
    """What was published before is gone. `progress` is kept shorter than the others: what it alone tells of is over by
    then. Raises UserError `topics_too_short`."""
    kept = min(t.retention_ms for t in (*produced_by(config.service), *consumed_by(config.service)) if t.replayed)
    earliest = datetime.now(UTC) - timedelta(milliseconds=kept)
    if since < earliest:
        raise UserError(
            "topics_too_short",
            f"The topics keep {kept // 86_400_000} days: what was published before {_text(earliest)} is gone.",
            "Restore the databases of all four services to one moment instead, and recover them without --since.",
        )
    return earliest


async def _offsets_at(config: BrokerConfig, topics: Sequence[Topic], since: datetime) -> dict[TopicPartition, int]:
    """The first record of each partition that was published at that moment or later; else its end."""
    partitions = [tp for topic in topics for tp in await partitions_of(config, config.topic(topic.name))]
    consumer = offsets_client(config)
    await consumer.start()
    try:
        ends = await consumer.end_offsets(partitions)
        found = await consumer.offsets_for_times(dict.fromkeys(partitions, int(since.timestamp() * 1000)))
    finally:
        await consumer.stop()
    return {tp: at.offset if (at := found.get(tp)) is not None else ends[tp] for tp in partitions}


async def _read(config: BrokerConfig, begins: Mapping[TopicPartition, int]) -> list[ConsumerRecord[bytes, bytes]]:
    """Everything from there until now, in each partition's order."""
    if not begins:
        return []
    consumer = AIOKafkaConsumer(
        client_id=f"{config.client_id}-recover",
        enable_auto_commit=False,
        fetch_max_wait_ms=FETCH_WAIT_MS,
        **config.options(),
    )
    await consumer.start()
    try:
        consumer.assign(list(begins))
        ends = await consumer.end_offsets(list(begins))
        for tp, at in begins.items():
            consumer.seek(tp, at)
        found: list[ConsumerRecord[bytes, bytes]] = []
        while [tp for tp in begins if await consumer.position(tp) < ends[tp]]:
            async with asyncio.timeout(KAFKA_TIMEOUT_S):
                for records in (await consumer.getmany(timeout_ms=FETCH_WAIT_MS)).values():
                    found.extend(records)
    finally:
        await consumer.stop()
    return found


async def _go_back(config: BrokerConfig, inputs: Mapping[TopicPartition, int]) -> int:
    """Returns how many records will be read again. Where the group had not come so far yet, it stays."""
    committed = await committed_offsets(config, list(inputs))
    back = {tp: at for tp, at in inputs.items() if at < committed.get(tp, -1)}
    if back:
        await move_group(config, back)
    return sum(committed[tp] - at for tp, at in back.items())


def _columns(records: Sequence[ConsumerRecord[bytes, bytes]], config: BrokerConfig) -> list[list[Any]]:
    """Of the outbox, for records that are Retake's; a tombstone has no body."""
    rows = []
    for record in records:
        headers = {name: value.decode(errors="replace") for name, value in record.headers}
        if "ce_id" in headers:
            at = datetime.fromtimestamp(record.timestamp / 1000, UTC)
            body = None if record.value is None else record.value.decode(errors="replace")
            key = (record.key or b"").decode(errors="replace")
            rows.append((headers["ce_id"], config.name_of(record.topic), key, headers, body, at))
    unique = {row[0]: row for row in rows}  # a record that was published twice has one row
    return [list(column) for column in zip(*unique.values(), strict=True)] if unique else [[] for _ in range(6)]


def _messages(records: Sequence[ConsumerRecord[bytes, bytes]], config: BrokerConfig) -> list[Message[Event]]:
    """Those that can be read: a consumer dead-letters the others."""
    found = []
    for record in records:
        if record.value is not None:
            try:
                found.append(read_message(config.name_of(record.topic), list(record.headers), record.value))
            except Permanent:
                continue
    return found


def stories(own: Sequence[Message[Event]], others: Sequence[Message[Event]]) -> dict[str, list[Message[Event]]]:
    """By subject, for each that the service itself has published about; those that began first come first."""
    told: dict[str, dict[str, Message[Event]]] = {}
    for message in sorted(own, key=lambda m: m.envelope.time):
        told.setdefault(message.event.subject, {})[message.envelope.id] = message
    for message in others:
        if message.event.subject in told:
            told[message.event.subject][message.envelope.id] = message
    return {s: sorted(story.values(), key=lambda m: m.envelope.time) for s, story in told.items()}


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
