"""Topics in: parse, call one use case."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from services.review.commands.decide import decide
from services.review.commands.open_review import open_review
from services.review.commands.ports import Reviews
from services.review.commands.withdraw_reviews import withdraw_reviews
from shared.contracts.base import Event
from shared.contracts.events.gateway import DecisionSubmitted, EpisodeChanged
from shared.contracts.events.generator import PreviewReady
from shared.contracts.events.review import RefusalReason, ReviewChange, ReviewUpdated
from shared.core.clock import Clock
from shared.core.errors import Permanent
from shared.messaging.consumer import Handler, OnDeadLetter
from shared.messaging.dead_letters import DeadLetter
from shared.messaging.events import Cause, Message
from shared.postgres.pool import Connection

Stores = Callable[[Connection], Reviews]


def handlers(stores: Stores, clock: Clock) -> Mapping[type[Event], Handler]:
    async def on_preview_ready(connection: Connection, message: Message[Any]) -> None:
        await open_review(stores(connection), message, clock.now())

    async def on_decision_submitted(connection: Connection, message: Message[Any]) -> None:
        await decide(stores(connection), message, clock.now())

    async def on_episode_changed(connection: Connection, message: Message[Any]) -> None:
        await withdraw_reviews(stores(connection), message, clock.now())

    return {
        PreviewReady: on_preview_ready,
        DecisionSubmitted: on_decision_submitted,
        EpisodeChanged: on_episode_changed,
    }


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
        h = letter.headers
        await stores(connection).publish(
            refused,
            Cause(h.get("ce_projectid", ""), h.get("ce_ownerid", ""), h.get("ce_correlationid", ""), h.get("ce_id")),
        )

    return on_dead_letter


REF = ("run_id", "asset_id", "asset_kind", "episode_id", "segment_id", "segment_number")
