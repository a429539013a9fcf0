"""Topics in: parse, call one use case."""

from __future__ import annotations

from collections.abc import Callable

from faststream.kafka import KafkaRouter

from services.review.commands.decide import decide
from services.review.commands.open_review import open_review
from services.review.commands.ports import Reviews
from services.review.commands.withdraw_reviews import withdraw_reviews
from shared.contracts.events.gateway import DecisionSubmitted, EpisodeChanged
from shared.contracts.events.generator import PreviewReady
from shared.contracts.events.review import RefusalReason, ReviewChange, ReviewUpdated
from shared.core.clock import Clock
from shared.core.errors import Permanent
from shared.messaging.consumer import OnDeadLetter
from shared.messaging.dead_letters import DeadLetter
from shared.messaging.routers import Delivery, on
from shared.postgres.pool import Connection

Stores = Callable[[Connection], Reviews]


def consumer_router(stores: Stores, clock: Clock) -> KafkaRouter:
    router = KafkaRouter()

    @on(router, PreviewReady)
    async def on_preview_ready(delivery: Delivery[PreviewReady]) -> None:
        await open_review(stores(delivery.connection), delivery.message, clock.now())

    @on(router, DecisionSubmitted)
    async def on_decision_submitted(delivery: Delivery[DecisionSubmitted]) -> None:
        await decide(stores(delivery.connection), delivery.message, clock.now())

    @on(router, EpisodeChanged)
    async def on_episode_changed(delivery: Delivery[EpisodeChanged]) -> None:
        await withdraw_reviews(stores(delivery.connection), delivery.message, clock.now())

    return router


def refuse_dead_letters(stores: Stores) -> OnDeadLetter:
    """A decision that cannot be read is refused, from what its body still tells, so that no caller waits for ever."""

    async def on_dead_letter(connection: Connection, letter: DeadLetter) -> None:
        if letter.topic != DecisionSubmitted.TOPIC:
            return
        told = letter.json()
        try:
            refused = ReviewUpdated(
                **{name: told.get(name) for name in REF},
                review_rev=0,
                change=ReviewChange.REFUSED,
                state=None,
                decision_id=told.get("decision_id"),
                reason=RefusalReason.NOT_A_CANDIDATE,
            )
        except ValueError as e:
            raise Permanent("nothing_to_refuse", str(e)) from e
        await stores(connection).publish(refused, letter.as_cause())

    return on_dead_letter


REF = ("run_id", "asset_id", "asset_kind", "episode_id", "segment_id", "segment_number")
