"""Opens what the compiler needs, in order, and closes it in reverse."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from services.compiler.config import Settings
from services.compiler.consumers import consumer_router, refuse_dead_letters
from services.compiler.jobs import RenderDeps, expiry_sweep, film_kind, prepare_kind, sign_kind
from services.compiler.planning.render_speed import RenderSpeed
from services.compiler.rendering.files import LocalFiles, Scratch
from services.compiler.rendering.malloc import limit_arenas, trim
from services.compiler.rendering.renderer import FfmpegRenderer
from services.compiler.rendering.signing import C2paSigner
from services.compiler.rendering.video import VideoRenderer
from services.compiler.retention import retention_service
from services.compiler.store.compilations import COMPILE, PREPARE, CompilationRepository
from services.compiler.store.jobs import PostgresPrepareJob, load_film_job
from services.compiler.store.pieces import PostgresPieceStore
from services.compiler.store.sign_jobs import SIGN, PostgresSignJob
from shared.contracts.topics import Service
from shared.jobs.queue import Claim
from shared.jobs.recurring import recurring_kinds, schedule
from shared.jobs.worker import JobKind
from shared.media.signing_identity import identity_of
from shared.objects import Objects
from shared.objects.proof import open_proven_objects
from shared.postgres.pool import Connection, transaction
from shared.retention.jobs import retention_jobs
from shared.service import Resources, open_resources, run_jobs, run_messaging
from shared.web.health import Health


@asynccontextmanager
async def wire(settings: Settings) -> AsyncIterator[Health]:
    limit_arenas()
    folder = Path(settings.work_dir) / "compiler"
    async with (
        open_resources(Service.COMPILER, settings) as base,
        open_proven_objects(settings.objects_url, Service.COMPILER, work_dir=folder) as objects,
        Scratch(folder, base.new_id) as scratch,
    ):
        files = LocalFiles(objects, folder / "cache", limit_bytes=settings.cache_bytes)
        deps = await _render_deps(settings, base, objects, scratch, files)
        signer = C2paSigner(identity_of(settings, folder), files, scratch, objects, base.new_id)

        def open_compilations(connection: Connection) -> CompilationRepository:
            return CompilationRepository(connection, base.publisher, render_ahead=settings.render_ahead)

        recurring = retention_jobs(retention_service(base.pool, objects.own), base.clock)
        kinds = {
            COMPILE: film_kind(
                deps,
                lambda claim: load_film_job(
                    base.pool, base.publisher, claim, base.clock, render_ahead=settings.render_ahead
                ),
                settings.films_at_once,
                settings.pieces_at_once,
            ),
            PREPARE: prepare_kind(
                deps,
                lambda claim: PostgresPrepareJob(base.pool, claim, base.clock),
                settings.ahead_at_once,
                settings.settle_s,
            ),
            SIGN: sign_kind(signer, lambda claim: PostgresSignJob(base.pool, base.publisher, claim, base.clock)),
            **recurring_kinds(recurring, base.pool, base.clock),
        }
        async with transaction(base.pool) as connection:
            await schedule(connection, recurring)
        async with (
            run_messaging(
                base,
                consumer_router(open_compilations, base.clock, settings.pieces_at_once),
                on_dead_letter=refuse_dead_letters(open_compilations),
            ) as messaging,
            run_jobs(base, _trimmed(kinds)),
            expiry_sweep(base.pool, open_compilations, base.clock),
        ):
            yield messaging.health


def _trimmed(kinds: Mapping[str, JobKind]) -> dict[str, JobKind]:
    """The same kinds, which also return free memory to the system after each job."""

    def trimmed(kind: JobKind) -> JobKind:
        async def run(claim: Claim) -> None:
            try:
                await kind.handler(claim)
            finally:
                trim()

        return replace(kind, handler=run)

    return {name: trimmed(kind) for name, kind in kinds.items()}


async def _render_deps(
    settings: Settings, base: Resources, objects: Objects, scratch: Scratch, files: LocalFiles
) -> RenderDeps:
    video_renderer = VideoRenderer(timeout_per_s=settings.ffmpeg_timeout_per_s)
    async with transaction(base.pool) as connection:
        measured = await CompilationRepository(connection, base.publisher).render_speed()
    return RenderDeps(
        piece_store=PostgresPieceStore(base.pool, base.new_id, base.clock),
        renderer=FfmpegRenderer(video_renderer, files, scratch, objects, base.new_id),
        speed=RenderSpeed(measured),
        clock=base.clock,
    )
