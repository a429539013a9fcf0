"""kill -9 during a film: no process or file is left behind, and the next compiler finishes the film."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import psutil

from deploy.local.supervisor.preflight import free_port
from shared.contracts.events.gateway import CompileItem, CompileRequested
from shared.contracts.topics import Service
from shared.contracts.values import Fit, Output
from shared.core.ids import new_id
from shared.messaging.broker import BrokerConfig
from shared.objects import open_objects
from tests.conftest import FreshDatabase
from tests.support import events, films
from tests.support.brokers import EmbeddedBroker
from tests.support.messaging import raw_producer
from tests.support.waiting import answers_http, eventually

FILMS = 4


@asynccontextmanager
async def compiler(environment: dict[str, str]) -> AsyncIterator[psutil.Process]:
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "shared.web.server",
        "compiler",
        env=os.environ | environment | {"COMPILER_PORT": str(port)},
    )
    try:
        await answers_http(f"http://127.0.0.1:{port}/health/live", within=90)
        yield psutil.Process(process.pid)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def encoders(process: psutil.Process) -> list[psutil.Process]:
    """The ffmpeg processes that render, once their guards have started them."""
    children = {c.pid: _words(c) for c in process.children(recursive=True)}
    guarded = {words[-1] for words in children.values() if "guard" in words}
    return [
        psutil.Process(pid)
        for pid, words in children.items()
        if "libx264" in words and "lavfi" not in words and str(pid) in guarded
    ]


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


async def test_a_killed_compiler_leaves_nothing_and_its_film_is_finished(
    fresh_database: FreshDatabase, embedded_broker: EmbeddedBroker, tmp_path: Path
) -> None:
    url, objects, work = await fresh_database("compiler"), f"file://{tmp_path}/objects", tmp_path / "work"
    environment = {
        "COMPILER_DATABASE_URL": url,
        "COMPILER_KAFKA_BOOTSTRAP": embedded_broker.bootstrap,
        "COMPILER_KAFKA_EMBEDDED": "true",
        "COMPILER_OBJECTS_URL": objects,
        "COMPILER_WORK_DIR": str(work),
        "COMPILER_SIGNING_DIR": str(tmp_path / "signing"),
    }
    source = films.video(tmp_path / "source.mp4", seconds=6, size="1280x720")
    async with open_objects(objects, Service.GENERATOR) as generator:
        ref = await generator.own.put_file(f"versions/{new_id()}/content.mp4", source, "video/mp4")
    request = events.compile_requested(
        items=[CompileItem(segment_id=new_id(), number=1, video=events.pinned(object=ref))],
        output=Output(width=1280, height=720, fps=24, fit=Fit.PAD),
        expires_at=datetime.now(UTC) + timedelta(hours=1),
    )
    database = await asyncpg.connect(url)
    try:
        async with compiler(environment) as first:
            await _send(embedded_broker, request)
            (encoder,) = await eventually(lambda: encoders(first), within=60, what="ffmpeg")
            await eventually(lambda: _leftovers(work), what="the first bytes of a piece")
            encoder.suspend()  # it does not come to its end by itself
            os.kill(first.pid, signal.SIGKILL)
            await eventually(lambda: _has_ended(encoder), what="the end of ffmpeg")
        assert _leftovers(work)
        async with compiler(environment):
            await eventually(lambda: _state(database, "completed"), within=200, every=0.2, what="the film")
            await eventually(lambda: _is_idle(database), within=100, every=0.2, what="its signing")
            await eventually(lambda: not _leftovers(work), what="an empty scratch folder")
        film, _signed = sorted((tmp_path / "objects" / "compiler" / "films").rglob("*.mp4"))  # ids sort by time
        assert films.watch(film, 24).pts == list(range(144))
        assert not _leftovers(work)
    finally:
        await database.close()


async def test_a_compiler_that_is_replaced_under_load_finishes_or_hands_over_each_film(
    fresh_database: FreshDatabase, embedded_broker: EmbeddedBroker, tmp_path: Path
) -> None:
    """SIGTERM while films render: the other replica takes over what the first one gives back; each is made once."""
    url, objects = await fresh_database("compiler"), f"file://{tmp_path}/objects"
    shared = {
        "COMPILER_DATABASE_URL": url,
        "COMPILER_KAFKA_BOOTSTRAP": embedded_broker.bootstrap,
        "COMPILER_KAFKA_EMBEDDED": "true",
        "COMPILER_OBJECTS_URL": objects,
        "COMPILER_SIGNING_DIR": str(tmp_path / "signing"),
    }
    sources = [films.video(tmp_path / f"{n}.mp4", seconds=2, size="640x360", hue=90 * n) for n in range(FILMS)]
    async with open_objects(objects, Service.GENERATOR) as generator:
        refs = [await generator.own.put_file(f"versions/{new_id()}/content.mp4", s, "video/mp4") for s in sources]
    requests = [
        events.compile_requested(
            items=[CompileItem(segment_id=new_id(), number=1, video=events.pinned(object=ref))],
            output=Output(width=640, height=360, fps=24, fit=Fit.PAD),
            expires_at=datetime.now(UTC) + timedelta(hours=1),
        )
        for ref in refs
    ]
    database = await asyncpg.connect(url)
    try:
        async with compiler(shared | {"COMPILER_WORK_DIR": str(tmp_path / "second")}):
            async with compiler(shared | {"COMPILER_WORK_DIR": str(tmp_path / "first")}) as first:
                for request in requests:
                    await _send(embedded_broker, request)
                await eventually(lambda: _works(database), what="a compiler at work")
                first.terminate()
            await eventually(lambda: _all_completed(database), within=200, every=0.2, what="every film")
            await eventually(lambda: _is_idle(database), within=100, every=0.2, what="their signing")
        assert not _leftovers(tmp_path / "first")
        assert await database.fetchval("select count(*) from compilations") == FILMS
        told = await database.fetch(
            """select body::jsonb ->> 'compilation_id' as film from outbox
               where topic = 'film-updated' and body::jsonb ->> 'state' in ('completed', 'failed')
               and coalesce(body::jsonb ->> 'provenance', 'pending') = 'pending'"""
        )
        assert sorted(row["film"] for row in told) == sorted(r.compilation_id for r in requests), "each once"
    finally:
        await database.close()


async def _works(database: asyncpg.Connection) -> bool:
    return bool(await database.fetchval("select count(*) from jobs where token is not null"))


async def _all_completed(database: asyncpg.Connection) -> bool:
    return bool(await database.fetchval("select count(*) = $1 from compilations where state = 'completed'", FILMS))


def _has_ended(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE  # in a container nobody may be there to reap it
    except psutil.NoSuchProcess:  # a ZombieProcess is one, too
        return True


async def _send(broker: EmbeddedBroker, request: CompileRequested) -> None:
    producer = raw_producer(BrokerConfig(broker.bootstrap, Service.GATEWAY, True))
    await producer.start()
    headers = events.message(request).envelope.headers()
    body = request.model_dump_json().encode()
    await producer.send_and_wait(request.TOPIC, body, key=request.key.encode(), headers=headers)
    await producer.stop()


async def _is_idle(database: asyncpg.Connection) -> bool:
    return not await database.fetchval("select count(*) from jobs where kind in ('compile', 'sign')")


async def _state(database: asyncpg.Connection, state: str) -> bool:
    return bool(await database.fetchval("select state = $1 from compilations", state))


def _leftovers(work: Path) -> list[Path]:
    return [p for p in (work / "compiler" / "scratch").rglob("*") if p.is_file() and p.name != "lock"]
