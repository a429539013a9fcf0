"""Opens what the compiler needs, in order, and closes it in reverse."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from services.compiler.adapters.keeping import keeping_units
from services.compiler.commands.ports import Desk
from services.compiler.config import Settings
from services.compiler.consumers import fail_dead_letters, handlers
from services.compiler.entrypoints.keeper import COLLECT, PURGE, Keeper
from services.compiler.jobs import Shop, expiry_sweep, film_kind, prepare_kind, sign_kind
from services.compiler.planning.render_speed import Pace
from services.compiler.rendering.files import LocalFiles, Scratch
from services.compiler.rendering.malloc import few_arenas, give_back
from services.compiler.rendering.renderer import FileWorkshop
from services.compiler.rendering.signing import C2paSigner
from services.compiler.rendering.video import Renderer
from services.compiler.store.compilations import COMPILE, PREPARE, PostgresDesk
from services.compiler.store.jobs import PostgresPrepareJob, load_film_job
from services.compiler.store.pieces import PostgresPieces
from services.compiler.store.sign_jobs import SIGN, PostgresSignJob
from services.compiler.usecases.collect_orphans import CollectOrphans
from services.compiler.usecases.purge_unused import PurgeUnused
from shared.contracts.topics import Service
from shared.jobs.queue import Claim
from shared.jobs.worker import JobKind, Worker
from shared.media.c2pa import identity_of
from shared.objects import Objects, open_objects
from shared.postgres.pool import Connection, transaction
from shared.retention.rounds import retention_kinds, schedule
from shared.service import Resources, open_resources, run_messaging
from shared.web.health import Health


@asynccontextmanager
async def wire(settings: Settings) -> AsyncIterator[Health]:
    few_arenas()
    folder = Path(settings.work_dir) / "compiler"
    async with (
        open_resources(Service.COMPILER, settings) as base,
        open_objects(settings.objects_url, Service.COMPILER, work_dir=folder) as objects,
        Scratch(folder, base.new_id) as scratch,
    ):
        files = LocalFiles(objects, folder / "cache", limit_bytes=settings.cache_bytes)
        shop = await _shop(settings, base, objects, scratch, files)
        signer = C2paSigner(identity_of(settings, folder), files, scratch, objects, base.new_id)

        def desks(connection: Connection) -> Desk:
            return PostgresDesk(connection, base.publisher, render_ahead=settings.render_ahead)

        kinds = {
            COMPILE: film_kind(
                shop,
                lambda claim: load_film_job(
                    base.pool, base.publisher, claim, base.clock, render_ahead=settings.render_ahead
                ),
                settings.films_at_once,
                settings.pieces_at_once,
            ),
            PREPARE: prepare_kind(
                shop,
                lambda claim: PostgresPrepareJob(base.pool, claim, base.clock),
                settings.ahead_at_once,
                settings.settle_s,
            ),
            SIGN: sign_kind(signer, lambda claim: PostgresSignJob(base.pool, base.publisher, claim, base.clock)),
            **retention_kinds(keeping(base, objects), PURGE, COLLECT, base.pool, base.clock),
        }
        async with transaction(base.pool) as connection:
            await schedule(connection, PURGE, COLLECT)
        async with (
            run_messaging(
                base, handlers(desks, base.clock, settings.pieces_at_once), on_dead_letter=fail_dead_letters(desks)
            ) as messaging,
            Worker(base.pool, settings.database_url, _tidied(kinds), clock=base.clock, new_id=base.new_id),
            expiry_sweep(base.pool, desks, base.clock),
        ):
            yield messaging.health


def keeping(base: Resources, objects: Objects) -> Keeper:
    unit = keeping_units(base.pool)
    return Keeper(unit, PurgeUnused(unit, objects.own), CollectOrphans(unit, objects.own))


@asynccontextmanager
async def open_keeper(settings: Settings) -> AsyncIterator[Keeper]:
    """For operators' commands, beside a service that runs."""
    async with (
        open_resources(Service.COMPILER, settings) as base,
        open_objects(settings.objects_url, Service.COMPILER) as objects,
    ):
        yield keeping(base, objects)


def _tidied(kinds: Mapping[str, JobKind]) -> dict[str, JobKind]:
    """The same, giving their memory back when a job has ended."""

    def tidied(kind: JobKind) -> JobKind:
        async def run(claim: Claim) -> None:
            try:
                await kind.handler(claim)
            finally:
                give_back()

        return replace(kind, handler=run)

    return {name: tidied(kind) for name, kind in kinds.items()}


async def _shop(settings: Settings, base: Resources, objects: Objects, scratch: Scratch, files: LocalFiles) -> Shop:
    renderer = Renderer(timeout_per_s=settings.ffmpeg_timeout_per_s)
    async with transaction(base.pool) as connection:
        known = await PostgresDesk(connection, base.publisher).pace()
    return Shop(
        book=PostgresPieces(base.pool, base.new_id, base.clock),
        workshop=FileWorkshop(renderer, files, scratch, objects, base.new_id),
        pace=Pace(known),
        clock=base.clock,
    )
