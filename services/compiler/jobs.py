"""The compiler's jobs: films, rendering ahead and signing; and the sweep that expires compilations."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final

import structlog

from services.compiler.commands.compilations import expire_compilations
from services.compiler.commands.films import make_film
from services.compiler.commands.ports import FilmSigner, PieceStore, PrepareJob, Renderer, SignJob
from services.compiler.commands.rendering_ahead import render_ahead
from services.compiler.commands.signing import sign_film
from services.compiler.planning.render_speed import RenderSpeed
from services.compiler.store.compilations import CompilationRepository
from services.compiler.store.jobs import FilmJob
from shared.core.clock import Clock
from shared.jobs.queue import Claim
from shared.jobs.recurring import recurring
from shared.jobs.worker import JobKind
from shared.postgres.pool import Connection, Pool, transaction

log = structlog.get_logger(__name__)

SWEEP_EVERY_S: Final = 2.0


@dataclass(frozen=True)
class RenderDeps:
    """What the rendering jobs share. `speed` learns from every piece of either for the next estimate."""

    piece_store: PieceStore
    renderer: Renderer
    speed: RenderSpeed
    clock: Clock


def film_kind(
    deps: RenderDeps, load: Callable[[Claim], Awaitable[FilmJob]], films_at_once: int, pieces_at_once: int
) -> JobKind:
    async def run(claim: Claim) -> None:
        with structlog.contextvars.bound_contextvars(compilation_id=claim.job_id):
            job = await load(claim)
            await make_film(
                job,
                deps.piece_store,
                deps.renderer,
                deps.speed,
                deps.clock,
                attempt=claim.attempt,
                failures=claim.payload.get("failures", 0),
                at_once=pieces_at_once,
            )

    return JobKind(run, films_at_once)


def prepare_kind(deps: RenderDeps, load: Callable[[Claim], PrepareJob], at_once: int, settle_s: float) -> JobKind:
    async def run(claim: Claim) -> None:
        with structlog.contextvars.bound_contextvars(episode_id=claim.payload["episode_id"]):
            await render_ahead(
                load(claim),
                deps.piece_store,
                deps.renderer,
                deps.speed,
                deps.clock,
                attempt=claim.attempt,
                settle_s=settle_s,
            )

    return JobKind(run, at_once)


def sign_kind(signer: FilmSigner, load: Callable[[Claim], SignJob]) -> JobKind:
    async def run(claim: Claim) -> None:
        with structlog.contextvars.bound_contextvars(compilation_id=claim.payload["compilation_id"]):
            await sign_film(load(claim), signer, attempt=claim.attempt)

    return JobKind(run, 1)


def expiry_sweep(
    pool: Pool, open_compilations: Callable[[Connection], CompilationRepository], clock: Clock
) -> AbstractAsyncContextManager[None]:
    """Deadlines are a column that this loop checks, so that they survive restarts."""

    async def sweep() -> None:
        async with transaction(pool) as connection:
            await expire_compilations(open_compilations(connection), clock.now())

    return recurring(sweep, name="expiry-sweep", every_s=SWEEP_EVERY_S, clock=clock)
