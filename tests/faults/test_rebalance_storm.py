"""Members of a group that are killed, stopped and started while events flow: nothing is lost, nothing done twice."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import asyncpg

from deploy.local.supervisor.preflight import free_port
from shared.contracts.events.gateway import DecisionAction
from shared.contracts.topics import TOPICS
from shared.messaging.events import Message
from tests.conftest import FreshDatabase
from tests.support import events
from tests.support.brokers import ApacheKafkaBroker
from tests.support.messaging import everything_on, header, produce
from tests.support.waiting import answers_http, eventually

ROOT: Final = Path(__file__).resolve().parents[2]
AT_ONCE: Final = 8
MOST: Final = 240  # then events trickle on: a storm on a slow machine lasts longer, and must not tell more for it
SEED: Final = 20
STORM: Final = (signal.SIGKILL, signal.SIGTERM)


class Members:
    """Replicas of the review service, each a process."""

    def __init__(self, database: str, bootstrap: str, folder: Path) -> None:
        self._database, self._bootstrap, self._folder = database, bootstrap, folder
        self.alive: list[asyncio.subprocess.Process] = []

    async def start(self) -> None:
        port = free_port()
        env = {
            "DATABASE_URL": self._database,
            "KAFKA_BOOTSTRAP": self._bootstrap,
            "PORT": str(port),
            "OBJECTS_URL": f"file://{self._folder}",
            "POOL_SIZE": "4",
            "LOG_LEVEL": "CRITICAL",
        }
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "shared.web.server",
            "review",
            cwd=ROOT,
            env=os.environ | {f"REVIEW_{name}": value for name, value in env.items()},
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        self.alive.append(child)
        await answers_http(f"http://127.0.0.1:{port}/health/live", within=90)

    async def lose(self, dice: random.Random, how: signal.Signals) -> None:
        lost = self.alive.pop(dice.randrange(len(self.alive)))
        lost.send_signal(how)
        await lost.wait()

    async def close(self) -> None:
        for child in self.alive:
            child.kill()
            await child.wait()


@asynccontextmanager
async def members(database: str, bootstrap: str, folder: Path) -> AsyncIterator[Members]:
    made = Members(database, bootstrap, folder)
    try:
        await asyncio.gather(made.start(), made.start())
        yield made
    finally:
        await made.close()


async def test_a_storm_of_rebalances_loses_nothing_and_does_nothing_twice(
    apache_kafka: ApacheKafkaBroker, fresh_database: FreshDatabase, tmp_path: Path
) -> None:
    """Each run gets two decisions, on another topic than its preview, and every record comes twice."""
    database, dice = await fresh_database("review"), random.Random(SEED)
    stories: list[tuple[Message[Any], ...]] = []

    async def flow() -> None:
        async with asyncio.TaskGroup() as sending:
            while not storm.done():
                made = [_story() for _ in range(AT_ONCE if len(stories) < MOST else 1)]
                stories.extend(made)
                told = [m for story in made for m in (*story, *dice.sample(story, len(story)))]
                sending.create_task(_send(apache_kafka, told))
                await asyncio.sleep(0.5)

    async def strike(group: Members) -> None:
        for how in STORM:
            await asyncio.gather(group.lose(dice, how), group.start())

    async with members(database, apache_kafka.bootstrap, tmp_path) as group:
        storm = asyncio.create_task(strike(group))
        await flow()
        await storm
        connection = await asyncpg.connect(database)
        try:
            await eventually(
                lambda: _all_is_told(connection, 2 * len(stories)),
                within=200,
                every=0.1,
                what="an answer to every decision",
            )
        finally:
            await connection.close()
    await _one_verdict_per_run_and_one_answer_per_decision(apache_kafka, stories)
    assert await everything_on(apache_kafka, "review.dlq") == []


def _story() -> tuple[Message[Any], ...]:
    """A preview and two people who disagree about it."""
    ref, candidate = events.ref(), events.version()
    return (
        events.message(events.preview_ready(**ref, candidates=[candidate])),
        *(
            events.message(events.decision_submitted(**ref, version_id=candidate.version_id, action=action))
            for action in (DecisionAction.APPROVE, DecisionAction.REJECT)
        ),
    )


async def _send(kafka: ApacheKafkaBroker, told: list[Message[Any]]) -> None:
    by_topic: dict[str, list[Any]] = {}
    for m in told:
        by_topic.setdefault(m.event.TOPIC, []).append(
            (m.event.key, m.event.model_dump_json().encode(), m.envelope.headers())
        )
    await asyncio.gather(*(produce(kafka, topic, *records) for topic, records in by_topic.items()))


async def _all_is_told(connection: asyncpg.Connection, decisions: int) -> bool:
    """Each decision has its answer, and it is published."""
    answers = await connection.fetchval(
        "select count(*) from outbox where topic <> 'review-updated' or body::jsonb ->> 'change' = 'refused'"
    )
    waiting = await connection.fetchval("select count(*) from outbox where published_at is null")
    return bool(answers >= decisions and waiting == 0)


async def _one_verdict_per_run_and_one_answer_per_decision(
    kafka: ApacheKafkaBroker, stories: list[tuple[Message[Any], ...]]
) -> None:
    """A relay that was killed before it marked may have sent a record twice, but never another event."""
    told: dict[str, Any] = {}
    for topic in ("accepted", "rejected", "review-updated"):
        for record in await everything_on(kafka, topic):
            told[str(header(record, "ce_id"))] = TOPICS[topic].event.model_validate_json(record.value or b"")
    decided = Counter(e.run_id for e in told.values() if e.TOPIC in ("accepted", "rejected"))
    opened = Counter(e.run_id for e in told.values() if e.TOPIC == "review-updated" and e.change == "opened")
    answered = Counter(e.decision_id for e in told.values() if getattr(e, "decision_id", None))
    runs = {preview.event.run_id: 1 for preview, *_ in stories}
    assert (decided, opened) == (runs, runs)
    assert answered == {m.event.decision_id: 1 for _, *said in stories for m in said}
