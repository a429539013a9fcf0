"""The generator, whole: its own wiring over the embedded broker, PostgreSQL and a directory of objects."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest_asyncio
from aiokafka import AIOKafkaProducer

from services.generator.config import Settings
from services.generator.domain.runs import Lane
from services.generator.providers.base import Provider
from services.generator.wiring import Adapters, wire
from shared.contracts.base import Event
from shared.contracts.catalogue import load_catalogue
from shared.contracts.topics import Service, produced_by
from shared.contracts.values import AssetKind
from shared.core.settings import Role
from shared.messaging.broker import BrokerConfig
from shared.messaging.events import read_message
from tests.support import events
from tests.support.brokers import EmbeddedBroker
from tests.support.generator import ScriptedDownloads, ScriptedMaker, ScriptedMedia, emptied_database
from tests.support.messaging import raw_consumer
from tests.support.postgres import Postgres
from tests.support.waiting import eventually


@dataclass
class Stage:
    """A running generator; the rest of the system is played by the test."""

    settings: Settings
    maker: ScriptedMaker
    producer: AIOKafkaProducer
    database: asyncpg.Connection
    told: list[Event] = field(default_factory=list)
    running: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def start(self) -> None:
        adapters = Adapters(
            load_catalogue(),
            {"animatic": Provider(lambda kind: Lane.RENDER, self.maker)},
            ScriptedMedia(),
            ScriptedDownloads(),
        )
        await self.running.enter_async_context(wire(self.settings, adapters))

    async def stop(self) -> None:
        await self.running.aclose()
        self.running = AsyncExitStack()

    async def send(self, event: Event, body: bytes | None = None, **envelope: Any) -> None:
        message = events.message(event, at=datetime.now(UTC), **envelope)
        await self.producer.send_and_wait(
            event.TOPIC,
            body or event.model_dump_json().encode(),
            key=event.key.encode(),
            headers=message.envelope.headers(),
        )

    async def until(self, topic: str, run_id: str) -> Any:
        return await eventually(
            lambda: next((e for e in self.told if topic == e.TOPIC and e.subject == run_id), None),
            what=f"{topic} of {run_id}",
        )


@pytest_asyncio.fixture
async def stage(postgres: Postgres, embedded_broker: EmbeddedBroker, tmp_path: Path) -> AsyncIterator[Stage]:
    url = await emptied_database(postgres)
    settings = Settings(
        database_url=url,
        kafka_bootstrap=embedded_broker.bootstrap,
        kafka_embedded=True,
        objects_url=f"file://{tmp_path / 'objects'}",
        work_dir=str(tmp_path / "work"),
    )
    producer = AIOKafkaProducer(bootstrap_servers=embedded_broker.bootstrap)
    await producer.start()
    database = await asyncpg.connect(url)
    stage = Stage(settings, ScriptedMaker(), producer, database)
    listener = BrokerConfig(embedded_broker.bootstrap, Service.GATEWAY, embedded=True)
    consumer = raw_consumer(listener, *(t.name for t in produced_by(Service.GENERATOR)))
    await consumer.start()

    async def listen() -> None:
        async for record in consumer:
            if record.value is not None:
                stage.told.append(read_message(record.topic, list(record.headers), record.value).event)

    listening = asyncio.create_task(listen())
    try:
        await stage.start()
        yield stage
    finally:
        await stage.stop()
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening
        await consumer.stop()
        await producer.stop()
        await database.close()


async def test_the_loop_over_kafka(stage: Stage) -> None:
    request = events.regenerate_requested(asset_kind=AssetKind.IMAGE, overrides={"directions": "A lighthouse"})
    await stage.send(request)
    preview = await stage.until("preview-ready", request.run_id)
    ref = {name: getattr(request, name) for name in events.ref()}
    accepted = events.accepted(**ref, version_id=preview.candidates[0].version_id)
    await stage.send(accepted)
    await stage.send(accepted)
    done = await stage.until("complete", request.run_id)
    assert done.version == preview.candidates[0]
    steps = [(e.state, e.step) for e in stage.told if e.TOPIC == "progress"]
    assert steps[:2] == [("queued", "queued"), ("generating", "preparing")]


async def test_work_survives_a_restart_and_poison_stops_nothing(stage: Stage) -> None:
    hold = asyncio.Event()

    async def waits(order: Any) -> None:
        await hold.wait()

    stage.maker.script = waits
    request = events.regenerate_requested(asset_kind=AssetKind.MUSIC, overrides={"directions": "Calm piano"})
    broken = events.regenerate_requested(asset_kind=AssetKind.IMAGE)
    await stage.send(broken, body=b'{"run_id": 5')
    await stage.send(request)
    await eventually(lambda: len(stage.maker.requests) == 1)
    failed = await stage.until("failed", broken.run_id)
    assert (failed.asset_id, failed.problem.code) == (broken.asset_id, "bad_request")
    await stage.stop()
    hold.set()
    await stage.start()
    preview = await stage.until("preview-ready", request.run_id)
    assert len(preview.candidates) == 1
    assert len(stage.maker.requests) == 2
    assert await stage.database.fetchval("select count(*) from versions") == 1


async def test_replicas_that_only_consume_and_only_work_make_a_preview_together(stage: Stage) -> None:
    await stage.stop()
    at_work, of_events = (
        Stage(stage.settings.model_copy(update={"role": role}), stage.maker, stage.producer, stage.database)
        for role in (Role.WORK, Role.EVENTS)
    )
    request = events.regenerate_requested(asset_kind=AssetKind.IMAGE, overrides={"directions": "A lighthouse"})
    await of_events.start()
    try:
        await stage.send(request)
        await eventually(lambda: stage.database.fetchval("select true from jobs where kind = 'render'"), what="the job")
        await at_work.start()
        await stage.until("preview-ready", request.run_id)
    finally:
        await at_work.stop()
        await of_events.stop()
