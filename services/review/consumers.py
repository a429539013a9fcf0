"""Event handlers: each calls one command, within the transaction of its batch."""

from __future__ import annotations

from collections.abc import Callable

from faststream.kafka import KafkaRouter

from services.review.commands.reviews import Reviews, decide, open_review, refuse_unreadable, withdraw_reviews
from shared.contracts.events.gateway import DecisionSubmitted, EpisodeChanged
from shared.contracts.events.generator import PreviewReady
from shared.core.clock import Clock
from shared.messaging.consumer import OnDeadLetter
from shared.messaging.dead_letters import DeadLetter
from shared.messaging.routers import Delivery, on
from shared.postgres.pool import Connection

Store = Callable[[Connection], Reviews]


def consumer_router(store: Store, clock: Clock) -> KafkaRouter:
    router = KafkaRouter()

    @on(router, PreviewReady)
    async def on_preview_ready(delivery: Delivery[PreviewReady]) -> None:
        await open_review(store(delivery.connection), delivery.message, clock.now())

    @on(router, DecisionSubmitted)
    async def on_decision_submitted(delivery: Delivery[DecisionSubmitted]) -> None:
        await decide(store(delivery.connection), delivery.message, clock.now())

    @on(router, EpisodeChanged)
    async def on_episode_changed(delivery: Delivery[EpisodeChanged]) -> None:
        await withdraw_reviews(store(delivery.connection), delivery.message, clock.now())

    return router


def refuse_dead_letters(store: Store) -> OnDeadLetter:
    async def on_dead_letter(connection: Connection, letter: DeadLetter) -> None:
        if letter.topic == DecisionSubmitted.TOPIC:
            await refuse_unreadable(store(connection), letter.json(), letter.as_cause())

    return on_dead_letter
