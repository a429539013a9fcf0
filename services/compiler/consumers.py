"""Event handlers: each calls one command, within the transaction of its batch."""

from __future__ import annotations

from collections.abc import Callable

from faststream.kafka import KafkaRouter

from services.compiler.commands.compilations import admit_compilation, cancel_compilation, refuse_request
from services.compiler.commands.timelines import apply_timeline, record_commit
from services.compiler.store.compilations import CompilationRepository
from shared.contracts.events.gateway import CancelRequested, CompileRequested, EpisodeChanged
from shared.contracts.events.generator import Complete
from shared.core.clock import Clock
from shared.messaging.consumer import OnDeadLetter
from shared.messaging.dead_letters import DeadLetter
from shared.messaging.routers import Delivery, on
from shared.postgres.pool import Connection

OpenCompilations = Callable[[Connection], CompilationRepository]


def consumer_router(open_compilations: OpenCompilations, clock: Clock, pieces_at_once: int) -> KafkaRouter:
    router = KafkaRouter()

    @on(router, Complete)
    async def on_complete(delivery: Delivery[Complete]) -> None:
        await record_commit(open_compilations(delivery.connection), delivery.message)

    @on(router, EpisodeChanged)
    async def on_episode_changed(delivery: Delivery[EpisodeChanged]) -> None:
        await apply_timeline(open_compilations(delivery.connection), delivery.message)

    @on(router, CompileRequested)
    async def on_compile_requested(delivery: Delivery[CompileRequested]) -> None:
        await admit_compilation(
            open_compilations(delivery.connection), delivery.message, clock.now(), at_once=pieces_at_once
        )

    @on(router, CancelRequested)
    async def on_cancel_requested(delivery: Delivery[CancelRequested]) -> None:
        await cancel_compilation(open_compilations(delivery.connection), delivery.message)

    return router


def refuse_dead_letters(open_compilations: OpenCompilations) -> OnDeadLetter:
    """Publishes the failure of a compilation whose request cannot be read, so that no one waits for it forever."""

    async def on_dead_letter(connection: Connection, letter: DeadLetter) -> None:
        if letter.topic == CompileRequested.TOPIC:
            await refuse_request(open_compilations(connection), letter)

    return on_dead_letter
