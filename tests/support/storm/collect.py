"""Reads a history from a system that has come to rest."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from shared.contracts.topics import TOPICS, Service, dead_letter_topic
from shared.objects.directory import INCOMING
from tests.support.films import watch
from tests.support.storm.clients import Team
from tests.support.storm.history import Film, History, Offset, Prediction, Record, Row, Stored, Tables
from tests.support.storm.streams import Reader
from tests.support.storm.world import World

DECODED: Final = 40  # films; the others are only counted
# What never holds the state of anything that a client asked for.
UNREAD_TABLES: Final = ("schema_migrations",)
FETCH_BYTES: Final = 8_000_000


async def collect(world: World, teams: Sequence[Team], readers: Sequence[Reader]) -> History:
    services: dict[str, Tables] = {service.value: await _tables(url) for service, url in world.databases.items()}
    bootstrap = world.broker.bootstrap
    history = History(
        answers=[answer for team in teams for caller in team.members for answer in caller.answers],
        frames=[frame for reader in readers for frame in reader.frames],
        records=await _records(bootstrap),
        services=services,
        offsets=await offsets(bootstrap),
        objects=await asyncio.to_thread(_objects, world.objects),
        ledger=[Prediction(p.id, p.status, _prompt(p.input)) for p in world.provider.account.predictions.values()],
        leftovers=await asyncio.to_thread(_leftovers, world.folder),
    )
    history.films = await asyncio.to_thread(_films, history.rows("compiler", "compilations"), world.objects)
    return history


def _prompt(given: dict[str, Any]) -> str:
    return str(given.get("prompt", ""))


async def _tables(url: str) -> dict[str, list[Row]]:
    connection = await asyncpg.connect(url, timeout=30)
    try:
        names = await connection.fetch("select tablename from pg_tables where schemaname = 'public'")
        return {name: await _rows(connection, name) for (name,) in names if name not in UNREAD_TABLES}
    finally:
        await connection.close()


async def _rows(connection: asyncpg.Connection, table: str) -> list[Row]:
    rows = await connection.fetch(f"select row_to_json(t)::text as row from {table} t")
    return [json.loads(row["row"]) for row in rows]


async def _records(bootstrap: str) -> list[Record]:
    """Every record of every topic, also of the dead letters."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=FETCH_BYTES,
    )
    await consumer.start()
    try:
        names = [*TOPICS, *(dead_letter_topic(s) for s in Service)]
        partitions = [TopicPartition(n, p) for n in names for p in await _partitions(consumer, n)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        found: list[Record] = []
        while [tp for tp in partitions if await consumer.position(tp) < ends[tp]]:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found.extend(map(_record, records))
        return found
    finally:
        await consumer.stop()


async def _partitions(consumer: AIOKafkaConsumer, topic: str) -> list[int]:
    await consumer._client.add_topic(topic)
    return sorted(consumer.partitions_for_topic(topic) or ())


def _record(record: Any) -> Record:
    headers = {name: value.decode(errors="replace") for name, value in record.headers}
    return Record(
        record.topic,
        record.partition,
        record.offset,
        (record.key or b"").decode(errors="replace"),
        headers.get("ce_id", ""),
        headers.get("ce_projectid", ""),
        None if record.value is None else record.value.decode(errors="replace"),
    )


async def offsets(bootstrap: str) -> list[Offset]:
    """How far each group has read each partition that it consumes."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await admin.start()
    await consumer.start()
    try:
        found: list[Offset] = []
        for service in Service:
            names = [topic.name for topic in TOPICS.values() if service in topic.consumers]
            partitions = [TopicPartition(n, p) for n in names for p in await _partitions(consumer, n)]
            ends = await consumer.end_offsets(partitions)
            read = await admin.list_consumer_group_offsets(service.value, partitions=partitions)
            for tp in partitions:
                committed = max(0, read[tp].offset) if tp in read else 0
                found.append(Offset(service.value, tp.topic, tp.partition, committed, ends[tp]))
        return found
    finally:
        await consumer.stop()
        await admin.close()


def _objects(root: Path) -> list[Stored]:
    return [
        Stored(path.relative_to(root).parts[0], "/".join(path.relative_to(root).parts[1:]), path.stat().st_size,
               hashlib.sha256(path.read_bytes()).hexdigest())
        for path in sorted(root.rglob("*"))
        if path.is_file() and INCOMING not in path.parts
    ]  # fmt: skip


def _leftovers(folder: Path) -> list[str]:
    """Halves of objects, and scratch files: what is rendering, downloading or inspecting has ended."""
    halves = [path for path in (folder / "objects").glob(f"*/{INCOMING}/*") if path.is_file()]
    scratch = [path for path in (folder / "work").glob("*/*/scratch/*/[!.]*") if path.name != "lock"]
    return [str(path.relative_to(folder)) for path in (*halves, *scratch)]


def _films(rows: Sequence[Row], objects: Path) -> list[Film]:
    done = [row for row in rows if row["state"] == "completed"]
    return [_film(row, objects) if n < DECODED else _counted(row) for n, row in enumerate(done)]


def _film(row: Row, objects: Path) -> Film:
    reference, fps = row["result"]["object"], int(row["request"]["output"]["fps"])
    try:
        pictures = len(watch(objects / reference["bucket"] / reference["key"], fps).pictures)
        return Film(row["compilation_id"], expected_pictures(row["request"]), pictures, "")
    except (AssertionError, OSError) as e:
        return Film(row["compilation_id"], expected_pictures(row["request"]), 0, str(e)[:300] or repr(e))


def _counted(row: Row) -> Film:
    return Film(row["compilation_id"], expected_pictures(row["request"]), int(row["result"]["media"]["frames"]), "")


def expected_pictures(request: Row) -> int:
    """Those of all videos, less those that two share in a transition."""
    fps = int(request["output"]["fps"])
    counts = [round(item["video"]["media"]["duration_s"] * fps) for item in request["items"]]
    shared = 0
    for n, item in enumerate(request["items"][:-1]):
        after = item["transition_after"]
        if after and after["style"] != "cut":
            shared += min(round(after["duration_s"] * fps), counts[n] // 2, counts[n + 1] // 2)
    return sum(counts) - shared
