"""The whole compiler over real parts: events in, films out; the rest of the system is played by the test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer

from services.compiler.config import Settings
from services.compiler.wiring import wire
from shared.contracts.base import Event
from shared.contracts.events.compiler import FilmState, FilmUpdated
from shared.contracts.events.gateway import CompileItem, CompileRequested, PinnedMedia
from shared.contracts.topics import Service
from shared.contracts.values import Fit, Media, ObjectRef, Output, Transition, TransitionStyle
from shared.core.ids import new_id
from shared.media.probe import probe
from shared.messaging.broker import BrokerConfig
from shared.messaging.events import read_message
from shared.objects import Objects, open_objects
from tests.conftest import FreshDatabase
from tests.support import events, films
from tests.support.brokers import EmbeddedBroker
from tests.support.messaging import raw_consumer, raw_producer
from tests.support.waiting import eventually

OUTPUT = Output(width=320, height=180, fps=24, fit=Fit.PAD)
UNDONE = "select count(*) from jobs where kind in ('compile', 'prepare', 'sign')"
DISSOLVE = Transition(style=TransitionStyle.DISSOLVE, duration_s=0.5)


@dataclass
class CompilerHarness:
    """A running compiler, and the rest of the system played by the test."""

    database: asyncpg.Connection
    producer: AIOKafkaProducer
    generator: Objects
    objects: Path
    work: Path
    updates: list[FilmUpdated] = field(default_factory=list)

    async def send(self, event: Event, **envelope: Any) -> None:
        message = events.message(event, at=datetime.now(UTC), **envelope)
        await self.producer.send_and_wait(
            event.TOPIC, event.model_dump_json().encode(), key=event.key.encode(), headers=message.envelope.headers()
        )

    async def commit(self, path: Path) -> PinnedMedia:
        """A version's file in the generator's bucket."""
        ref = await self.generator.own.put_file(f"versions/{new_id()}/{path.name}", path, "video/mp4")
        found = await asyncio.to_thread(probe, path)
        media = Media(
            width=found.width,
            height=found.height,
            duration_s=found.duration_s,
            fps=found.fps,
            frames=found.frames,
            video_codec=found.video_codec,
            audio_codec=found.audio_codec,
        )
        return events.pinned(object=ref, media=media)

    async def until(self, compilation_id: str, *states: FilmState, within: float = 60) -> FilmUpdated:
        def look() -> FilmUpdated | None:
            return next((t for t in self.updates if t.compilation_id == compilation_id and t.state in states), None)

        return await eventually(look, within=within, what=f"{states} of the film")

    async def film(self, request: CompileRequested, **envelope: Any) -> FilmUpdated:
        await self.send(request, **envelope)
        return await self.until(request.compilation_id, FilmState.COMPLETED, FilmState.FAILED, FilmState.CANCELLED)

    def path(self, ref: ObjectRef | None) -> Path:
        assert ref is not None
        return self.objects / ref.bucket / ref.key

    async def idle(self) -> None:
        """Nothing is left to render ahead."""
        await eventually(self._no_jobs, within=60, every=0.1, what="the end of rendering ahead")

    async def _no_jobs(self) -> bool:
        return not await self.database.fetchval(UNDONE)

    async def is_tidy(self) -> None:
        """Nothing is left to do, and no file of it stays behind."""
        await self.idle()
        await eventually(lambda: not self.leftovers(), what="an empty scratch folder")

    def leftovers(self) -> list[Path]:
        return [p for p in (self.work / "compiler" / "scratch").rglob("*") if p.is_file() and p.name != "lock"]


def requested(*items: CompileItem, **overrides: Any) -> CompileRequested:
    defaults = {"items": list(items), "output": OUTPUT, "expires_at": datetime.now(UTC) + timedelta(hours=24)}
    return events.compile_requested(**(defaults | overrides))


def item(number: int, video: PinnedMedia, after: Transition | None = None, **overrides: Any) -> CompileItem:
    defaults = {"segment_id": new_id(), "number": number, "video": video, "transition_after": after}
    return CompileItem(**(defaults | overrides))


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sources")
    films.video(folder / "a.mp4", hue=0)
    films.video(folder / "b.mp4", hue=120, fps="30", tone=500)
    films.video(folder / "c.mp4", hue=240, size="180x320", fps="25")
    films.tone(folder / "voice.wav", seconds=1.2, hertz=700)
    films.tone(folder / "music.wav", seconds=3, hertz=200)
    return folder


Start = Callable[..., Any]


@pytest_asyncio.fixture
async def start(fresh_database: FreshDatabase, embedded_broker: EmbeddedBroker, tmp_path: Path) -> AsyncIterator[Start]:
    url = await fresh_database("compiler")

    @asynccontextmanager
    async def started(**settings: Any) -> AsyncIterator[CompilerHarness]:
        objects, work = tmp_path / "objects", tmp_path / "work"
        config = Settings(
            database_url=url, kafka_bootstrap=embedded_broker.bootstrap, kafka_embedded=True,
            objects_url=f"file://{objects}", work_dir=str(work),
            signing_dir=str(tmp_path / "signing"), **({"settle_s": 0.1} | settings),
        )  # fmt: skip
        gateway = BrokerConfig(embedded_broker.bootstrap, Service.GATEWAY, True)
        producer = raw_producer(gateway)
        consumer = raw_consumer(gateway, FilmUpdated.TOPIC)
        await producer.start()
        await consumer.start()
        database = await asyncpg.connect(url)
        try:
            async with open_objects(config.objects_url, Service.GENERATOR) as generator, wire(config):
                stage = CompilerHarness(database, producer, generator, objects, work)

                async def listen() -> None:
                    async for record in consumer:
                        event = read_message(record.topic, list(record.headers), record.value or b"").event
                        assert isinstance(event, FilmUpdated)
                        stage.updates.append(event)

                listening = asyncio.create_task(listen())
                try:
                    yield stage
                finally:
                    listening.cancel()
        finally:
            await database.close()
            await consumer.stop()
            await producer.stop()

    yield started
