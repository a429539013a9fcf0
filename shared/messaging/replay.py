"""Replay: publishes again what the broker lost.

Lost is everything when the cluster has another id, and a topic when one of its partitions ends before the last record
that the broker acknowledged (it was recreated, or its volume restored). Rows are made unpublished in chunks, oldest
first, with the progress stored, before the relay publishes anything: the order per key is kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

import asyncpg
import structlog
from aiokafka import TopicPartition
from aiokafka.structs import RecordMetadata

from shared.contracts.topics import TOPICS
from shared.messaging.broker import BrokerConfig, Report, cluster_id, no_report, offsets_client

log = structlog.get_logger(__name__)

REPLAY_DAYS: Final = 7
CHUNK_ROWS: Final = 20_000
CHUNK_TIMEOUT_S: Final = 60.0
OFFSETS_TIMEOUT_S: Final = 10.0
REPLAYED: Final = [t.name for t in TOPICS.values() if t.replayed]

_BEGIN: Final = """
    insert into relay_replay (topics, since, done_id, last_id)
    select $1, now() - make_interval(days => $2), coalesce(min(id), 1) - 1, coalesce(max(id), 0) from outbox
    on conflict (one) do update
        set topics = (select array_agg(distinct t) from unnest(relay_replay.topics || excluded.topics) t),
            since = excluded.since, done_id = excluded.done_id, last_id = excluded.last_id
"""
_KNOWN: Final = """
    insert into broker (cluster_id) values ($1) on conflict (one) do update set cluster_id = $1, seen_at = now()
"""
_NEXT_CHUNK: Final = """
    select max(id) from (select id from outbox where id > $1 and id <= $2 order by id limit $3) chunk
"""
_UNPUBLISH: Final = """
    update outbox o set published_at = null
    where id > $1 and id <= $2 and published_at is not null and topic = any($3::text[])
      and (created_at > $4 or (topic = 'complete' and id = (
               select max(id) from outbox later where later.topic = o.topic and later.key = o.key)))
"""


class BrokerMemory:
    """What the relay knows of the broker's data, in one database. `report` is told why the broker is unreachable."""

    def __init__(self, config: BrokerConfig, connection: asyncpg.Connection, *, report: Report = no_report) -> None:
        self._config = config
        self._db = connection
        self._report = report

    async def replay_what_is_lost(self) -> None:
        """Waits for the broker. Raises asyncpg's errors; a replay that was interrupted continues at the next call."""
        found = await cluster_id(self._config, report=self._report)
        known = await self._db.fetchval("select cluster_id from broker")
        if known is None:
            await self._db.execute(_KNOWN, found)
        elif known != found:
            await self._begin(REPLAYED, found, everything=True)
        elif lost := await self._lost_topics():
            await self._begin(lost, found, everything=False)
        await self._continue()

    async def _begin(self, topics: list[str], cluster: str, *, everything: bool) -> None:
        async with self._db.transaction():
            if everything:
                await self._db.execute("delete from relay_offsets")
            else:
                await self._db.execute("delete from relay_offsets where topic = any($1::text[])", topics)
            replayed = sorted(set(topics) & set(REPLAYED))
            await self._db.execute(_BEGIN, replayed, REPLAY_DAYS)
            await self._db.execute(_KNOWN, cluster)
        log.warning("relay.replays", cluster=cluster, topics=replayed, another_cluster=everything)

    async def _lost_topics(self) -> list[str]:
        """Topics with a partition that ends before the last acknowledged record."""
        rows = await self._db.fetch("select topic, partition, next_offset from relay_offsets")
        if not rows:
            return []
        expected = {TopicPartition(self._config.topic(r["topic"]), r["partition"]): r["next_offset"] for r in rows}
        try:
            async with asyncio.timeout(OFFSETS_TIMEOUT_S):  # a partition that does not exist has no answer
                ends = await end_offsets(self._config, list(expected))
        except TimeoutError:
            log.warning("relay.no_end_offsets", waited_s=OFFSETS_TIMEOUT_S)
            return []
        return sorted({self._config.name_of(tp.topic) for tp, end in expected.items() if ends.get(tp, end) < end})

    async def _continue(self) -> None:
        """The replay under way, chunk by chunk; each commits with its progress."""
        unpublished = 0
        while replay := await self._db.fetchrow("select topics, since, done_id, last_id from relay_replay"):
            done, last = replay["done_id"], replay["last_id"]
            upto = await self._db.fetchval(_NEXT_CHUNK, done, last, CHUNK_ROWS, timeout=CHUNK_TIMEOUT_S)
            if upto is None:
                await self._db.execute("delete from relay_replay")
                log.warning("relay.replay_prepared", rows=unpublished)
                return
            async with self._db.transaction():
                status = await self._db.execute(
                    _UNPUBLISH, done, upto, replay["topics"], replay["since"], timeout=CHUNK_TIMEOUT_S
                )
                await self._db.execute("update relay_replay set done_id = $1", upto)
            unpublished += int(status.split()[-1])
            log.info("relay.replay_progress", upto=upto, last=last, rows=unpublished)


async def end_offsets(config: BrokerConfig, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
    """The offset after the last record of each partition. Raises aiokafka's KafkaError."""
    consumer = offsets_client(config)
    await consumer.start()
    try:
        return dict(await consumer.end_offsets(partitions))
    finally:
        await consumer.stop()


def ends_of(records: Iterable[RecordMetadata]) -> dict[TopicPartition, int]:
    """The end of each partition after these acknowledged records."""
    ends: dict[TopicPartition, int] = {}
    for record in records:
        if record.offset >= 0:  # -1: a repeated batch, of which the broker did not keep the offset
            ends[record.topic_partition] = max(ends.get(record.topic_partition, 0), record.offset + 1)
    return ends
