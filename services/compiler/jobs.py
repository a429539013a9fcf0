"""Jobs: films, and rendering ahead; and the sweep that ends what nobody finished in time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final

import structlog

from services.compiler.commands.expire_compilations import expire_compilations
from services.compiler.commands.films import make_film
from services.compiler.commands.ports import Desk, FilmJob, FilmSigner, PieceBook, PrepareJob, SignJob, Workshop
from services.compiler.commands.rendering_ahead import prepare_episode
from services.compiler.commands.sign_film import sign_film
from services.compiler.planning.render_speed import Pace
from shared.core.clock import Clock
from shared.jobs.queue import Claim
from shared.jobs.recurring import recurring
from shared.jobs.worker import JobKind
from shared.postgres.pool import Connection, Pool, transaction

log = structlog.get_logger(__name__)

SWEEP_EVERY_S: Final = 2.0


@dataclass(frozen=True)
class Shop:
    """What both jobs work with. `pace` is shared: every piece teaches the next estimate."""

    book: PieceBook
    workshop: Workshop
    pace: Pace
    clock: Clock


def film_kind(
    shop: Shop, load: Callable[[Claim], Awaitable[FilmJob]], films_at_once: int, pieces_at_once: int
) -> JobKind:
    async def run(claim: Claim) -> None:
        with structlog.contextvars.bound_contextvars(compilation_id=claim.job_id):
            job = await load(claim)
            await make_film(
                job,
                shop.book,
                shop.workshop,
                shop.pace,
                shop.clock,
                attempt=claim.attempt,
                failures=claim.payload.get("failures", 0),
                at_once=pieces_at_once,
            )

    return JobKind(run, films_at_once)


def prepare_kind(shop: Shop, load: Callable[[Claim], PrepareJob], at_once: int, settle_s: float) -> JobKind:
    async def run(claim: Claim) -> None:
        with structlog.contextvars.bound_contextvars(episode_id=claim.payload["episode_id"]):
            await prepare_episode(
                load(claim),
                shop.book,
                shop.workshop,
                shop.pace,
                shop.clock,
                attempt=claim.attempt,
                settle_s=settle_s,
            )

    return JobKind(run, at_once)


def sign_kind(signer: FilmSigner, load: Callable[[Claim], SignJob]) -> JobKind:
    async def run(claim: Claim) -> None:
        with structlog.contextvars.bound_contextvars(compilation_id=claim.payload["compilation_id"]):
            await sign_film(load(claim), signer, attempt=claim.attempt)

    return JobKind(run, 1)


def expiry_sweep(pool: Pool, desks: Callable[[Connection], Desk], clock: Clock) -> AbstractAsyncContextManager[None]:
    """A column and a loop, so that deadlines survive restarts."""

    async def sweep() -> None:
        async with transaction(pool) as connection:
            await expire_compilations(desks(connection), clock.now())

    return recurring(sweep, name="expiry-sweep", every_s=SWEEP_EVERY_S, clock=clock)
