"""Reviews whose deadline has passed expire; a decision that was submitted in time always wins."""

from __future__ import annotations

from datetime import datetime

from services.review.commands.ports import Reviews, ref_of
from services.review.domain.reviews import Review
from shared.contracts.events.review import ReviewChange, ReviewState, ReviewUpdated
from shared.messaging.events import Cause


async def expire_reviews(reviews: Reviews, now: datetime, limit: int = 100) -> int:
    """Returns how many expired. Call it only while every submitted decision has been consumed."""
    due = await reviews.due(now, limit)
    for review, cause in due:
        await expire(reviews, review, cause, now)
    return len(due)


async def expire(reviews: Reviews, review: Review, cause: Cause, now: datetime) -> Review:
    """Of a review that is locked and open. Returns it as it is then."""
    closed = await reviews.close(review.ref.run_id, ReviewState.EXPIRED, now)
    assert closed is not None, "the row is locked and was open"
    await reviews.publish(
        ReviewUpdated(
            **ref_of(closed.ref),
            review_rev=closed.rev,
            change=ReviewChange.EXPIRED,
            state=closed.state,
            deadline=closed.deadline,
        ),
        cause,
    )
    return closed
