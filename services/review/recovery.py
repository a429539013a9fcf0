"""How review is brought forward when its database alone was restored to an earlier moment."""

from __future__ import annotations

from services.review.commands.recollection import recollect_review
from services.review.store.reviews import ReviewRepository
from shared.contracts.events.gateway import DecisionSubmitted
from shared.contracts.events.generator import PreviewReady
from shared.core.clock import Clock
from shared.messaging.events import Publisher
from shared.messaging.recollection import Recollection, Story
from shared.postgres.pool import Connection


def recollection(publisher: Publisher, clock: Clock) -> Recollection:
    """Complete: everything that review knows follows from previews, decisions and its own answers."""

    async def fold(connection: Connection, story: Story) -> str | None:
        return await recollect_review(ReviewRepository(connection, publisher), story, clock.now())

    return Recollection(fold, beside=(PreviewReady, DecisionSubmitted))
