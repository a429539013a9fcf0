"""The generator's own wiring on a real database and a real object store, with providers and media tools that a test
scripts. No broker: a test hands events to the handlers and reads the outbox."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import asyncpg

from services.generator.commands.generation import RunGenerator
from services.generator.config import Settings
from services.generator.consumers import consumer_router, refuse_dead_letters
from services.generator.domain.attempts import Attempt
from services.generator.domain.runs import Lane
from services.generator.jobs import AgeLimits, RunSweep, run_kinds
from services.generator.media.base import ComparisonFiles, Inspection, MediaCheck
from services.generator.media.scratch import ScratchFolders
from services.generator.providers.base import CandidateFile, CandidateRequest, OnProgress, Provider
from services.generator.store.limiter import CallLimits
from services.generator.store.sweeps import RunSweepRepository
from services.generator.wiring import Adapters, at_once, capabilities, event_stores, run_generator
from shared.contracts.base import Event
from shared.contracts.catalogue import load_catalogue
from shared.contracts.topics import TOPICS, Service
from shared.contracts.values import AssetKind, Cost, Media, ObjectRef, Quality
from shared.core.clock import Clock, SystemClock
from shared.core.ids import new_id
from shared.jobs import queue as jobs
from shared.jobs.worker import Worker
from shared.messaging.broker import BrokerConfig
from shared.messaging.dead_letters import DeadLetter
from shared.messaging.events import Message, Publisher
from shared.messaging.routers import Handler, handlers_of
from shared.objects import Objects, open_objects
from shared.postgres.deferred_writes import DeferredWrites
from shared.postgres.pool import Pool, open_pool, transaction
from shared.service import Resources
from tests.support import events
from tests.support.messaging import hand_over, hand_over_at_once
from tests.support.postgres import Postgres

MEDIA = {
    AssetKind.VIDEO: Media(width=1920, height=1080, duration_s=5.0, fps=24, frames=120, video_codec="h264"),
    AssetKind.STARTING_IMAGE: Media(width=1920, height=1080),
    AssetKind.IMAGE: Media(width=1920, height=1080),
    AssetKind.NARRATION: Media(duration_s=3.0, audio_codec="flac"),
    AssetKind.MUSIC: Media(duration_s=30.0, audio_codec="flac"),
}

Script = Callable[[CandidateRequest], Awaitable[None]]


@dataclass
class ScriptedMaker:
    """Writes a few bytes. `script` runs first and may wait or raise; `requests` are those that it received."""

    requests: list[CandidateRequest] = field(default_factory=list)
    script: Script | None = None

    async def make(self, request: CandidateRequest, work: Path, on_progress: OnProgress) -> CandidateFile:
        self.requests.append(request)
        if self.script:
            await self.script(request)
        on_progress(0.5)
        out = work / "made.bin"
        out.write_bytes(f"{request.run_id} {request.position} {request.seed}".encode())
        return CandidateFile(out, "application/octet-stream", Cost(amount="0", basis="reported"), {"scripted": True})


@dataclass
class ScriptedMedia:
    """Reports that every file is what was requested; `found` overrides that per kind."""

    found: dict[AssetKind, Media] = field(default_factory=dict)

    async def inspect(
        self, path: Path, kind: AssetKind, work: Path, comparison: ComparisonFiles, check: MediaCheck | None = None
    ) -> Inspection:
        poster = work / "poster.jpg"
        poster.write_bytes(b"poster")
        return Inspection(self.found.get(kind, MEDIA[kind]), Quality(reasons={"overall_score": "not measured"}), poster)

    async def ingest(self, path: Path, kind: AssetKind, work: Path) -> CandidateFile:
        out = work / "brought.bin"
        out.write_bytes(path.read_bytes())
        return CandidateFile(out, "application/octet-stream", Cost(amount="0", basis="reported"))


@dataclass
class ScriptedDownloads:
    async def fetch(self, url: str, path: Path, *, max_size: int) -> None:
        path.write_bytes(url.encode())


def event_handlers(settings: Settings, base: Resources, adapters: Adapters) -> Mapping[str, Handler]:
    router = consumer_router(event_stores(base), capabilities(settings, adapters), base.clock)
    return handlers_of(router, Service.GENERATOR)


@dataclass
class Bench:
    """One generator. `rewire` replaces `settings` or `adapters` before use."""

    base: Resources
    settings: Settings
    adapters: Adapters
    maker: ScriptedMaker
    media: ScriptedMedia
    objects: Objects
    handlers: Mapping[str, Handler]
    generator: RunGenerator
    root: Path
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def worker(self) -> Worker:
        """The real one, for what needs its loops."""
        work = run_kinds(self.generator, at_once(self.settings), CallLimits())
        return Worker(self.pool, self.settings.database_url, work, clock=self.base.clock, new_id=new_id)

    @property
    def pool(self) -> Pool:
        return self.base.pool

    async def handle(self, event: Event, **envelope: Any) -> Message[Any]:
        """As the consumer does: one transaction."""
        message = events.message(event, **envelope)
        async with transaction(self.pool) as connection:
            writes = DeferredWrites(connection)
            await hand_over(writes.as_connection(), message, self.handlers)
            await writes.flush()
        return message

    async def handle_at_once(self, first: Event, second: Event) -> None:
        """As two replicas do: each in a transaction of its own, open at the same time."""
        await hand_over_at_once(self.pool, events.message(first), events.message(second), self.handlers)

    async def dead_letter(self, event: Event, body: str | None = None) -> None:
        message = events.message(event)
        headers = {name: value.decode() for name, value in message.envelope.headers()}
        letter = DeadLetter(Service.GENERATOR, event.TOPIC, event.key, headers, body or event.model_dump_json(), {})
        async with transaction(self.pool) as connection:
            await refuse_dead_letters(event_stores(self.base).runs, self.base.clock)(connection, letter)

    async def claim(self, *, lease_s: float = 60.0) -> jobs.Claim | None:
        for lane in Lane:
            async with transaction(self.pool) as connection:
                if claims := await jobs.claim(
                    connection,
                    lane,
                    1,
                    worker="test",
                    lease_s=lease_s,
                    limits=CallLimits() if lane is Lane.CALL else None,
                ):
                    return claims[0]
        return None

    async def work(self, claim: jobs.Claim | None = None) -> None:
        """One job, to its end."""
        claim = claim or await self.claim()
        assert claim is not None, "there is no job"
        await self.generator.generate(Attempt(claim.job_id, claim.token, claim.attempt, claim))

    async def work_off(self) -> int:
        """All jobs that are ready; how many there were."""
        count = 0
        while claim := await self.claim():
            await self.work(claim)
            count += 1
        return count

    async def run_due(self) -> None:
        """One job, though it may be meant for later."""
        await self.pool.execute("update jobs set run_at = now() where token is null")
        await self.work()

    async def run_all(self) -> None:
        """Job after job until there is none, however late they are meant to be."""
        while await self.pool.fetchval("select count(*) from jobs"):
            await self.run_due()

    async def preview_after_retries(self, **overrides: Any) -> Any:
        request = events.regenerate_requested(
            **({"asset_kind": AssetKind.STARTING_IMAGE, "overrides": {"directions": "A lighthouse"}} | overrides)
        )
        await self.handle(request)
        await self.run_all()
        return await self.one("preview-ready", run_id=request.run_id)

    async def sweep(self, limits: AgeLimits) -> None:
        await RunSweep(self.pool, lambda c: RunSweepRepository(c, self.base.publisher), limits, self.base.clock)()

    async def published(self, *topics: str, run_id: str | None = None) -> list[Any]:
        """Events of the outbox in order, parsed; all topics if none is named."""
        rows = await self.pool.fetch("select topic, body, headers from outbox order by id")
        return [
            TOPICS[r["topic"]].event.model_validate_json(r["body"])
            for r in rows
            if (not topics or r["topic"] in topics) and run_id in (None, json.loads(r["body"]).get("run_id"))
        ]

    async def one(self, topic: str, **of: Any) -> Any:
        found = await self.published(topic, **of)
        assert len(found) == 1, f"{len(found)} x {topic}"
        return found[0]

    async def state(self, run_id: str) -> str | None:
        found: str | None = await self.pool.fetchval("select state from runs where run_id = $1", run_id)
        return found

    async def pointer(self, asset_id: str) -> tuple[str | None, int]:
        row = await self.pool.fetchrow(
            "select committed_version_id, commit_seq from assets where asset_id = $1", asset_id
        )
        return (row["committed_version_id"], row["commit_seq"]) if row else (None, 0)

    async def preview(self, **overrides: Any) -> Any:
        """A run up to its preview; returns the preview-ready event."""
        request = events.regenerate_requested(
            **({"asset_kind": AssetKind.STARTING_IMAGE, "overrides": {"directions": "A lighthouse"}} | overrides)
        )
        await self.handle(request)
        if request.source != "existing":
            await self.work()
        return await self.one("preview-ready", run_id=request.run_id)

    async def accept(self, preview: Any, **overrides: Any) -> None:
        ref = {name: getattr(preview, name) for name in events.ref()}
        await self.handle(events.accepted(**(ref | {"version_id": preview.candidates[0].version_id} | overrides)))

    async def committed(self, **overrides: Any) -> Any:
        """A run up to its commit; returns the complete event."""
        preview = await self.preview(**overrides)
        await self.accept(preview)
        return await self.one("complete", run_id=preview.run_id)

    def rewire(self, **changes: Any) -> None:
        """With other adapters, or another `default_provider`."""
        if provider := changes.pop("default_provider", None):
            self.settings = self.settings.model_copy(update={"default_provider": provider})
        self.adapters = replace(self.adapters, **changes)
        self.handlers = event_handlers(self.settings, self.base, self.adapters)
        self.generator = run_generator(
            self.settings,
            self.base,
            self.adapters,
            self.objects,
            self.generator.scratch,
        )


async def put_upload(root: Path, data: bytes, content_type: str = "image/jpeg") -> ObjectRef:
    """An object of the gateway's, as a request names it."""
    async with open_objects(f"file://{root / 'objects'}", Service.GATEWAY) as gateway:
        return await gateway.own.put_bytes(f"uploads/{new_id()}/file", data, content_type)


_shared: dict[str, str] = {}


async def emptied_database(postgres: Postgres) -> str:
    """One database for all tests of a run, emptied: making one takes longer than most of them."""
    if postgres.admin_url not in _shared:
        _shared[postgres.admin_url] = await postgres.fresh("generator")
    url = _shared[postgres.admin_url]
    connection = await asyncpg.connect(url)
    try:
        tables = await connection.fetchval(
            "select string_agg(quote_ident(tablename), ', ') from pg_tables "
            "where schemaname = 'public' and tablename <> 'schema_migrations'"
        )
        await connection.execute(f"truncate {tables} restart identity cascade")
    finally:
        await connection.close()
    return url


@asynccontextmanager
async def open_bench(
    url: str, root: Path, *, clock: Clock | None = None, media: Any = None, objects_url: str | None = None
) -> AsyncIterator[Bench]:
    settings = Settings(
        database_url=url,
        kafka_bootstrap="unused:1",
        work_dir=str(root / "work"),
        max_attempts=3,
        objects_url=objects_url or f"file://{root / 'objects'}",
    )
    clock = clock or SystemClock()
    async with (
        open_pool(url, size=8) as pool,
        open_objects(settings.objects_url, Service.GENERATOR, work_dir=root / "work") as objects,
        ScratchFolders(root / "work" / "scratch", "test") as scratch,
    ):
        base = Resources(
            Service.GENERATOR,
            settings,
            pool,
            Publisher(Service.GENERATOR, clock, new_id),
            BrokerConfig("unused:1", Service.GENERATOR, embedded=True),
            clock,
            new_id,
        )
        maker, scripted = ScriptedMaker(), ScriptedMedia()
        adapters = Adapters(
            load_catalogue(),
            {"animatic": Provider(lambda kind: Lane.RENDER, maker)},
            media or scripted,
            ScriptedDownloads(),
        )
        assert set(at_once(settings)) == set(Lane)
        bench = Bench(
            base,
            settings,
            adapters,
            maker,
            scripted,
            objects,
            event_handlers(settings, base, adapters),
            run_generator(settings, base, adapters, objects, scratch),
            root,
        )
        try:
            yield bench
        finally:
            for task in bench.tasks:
                task.cancel()
            await asyncio.gather(*bench.tasks, return_exceptions=True)
