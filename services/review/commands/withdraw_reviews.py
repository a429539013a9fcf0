"""Assets were deleted: their open reviews are withdrawn, and later previews of theirs never open one."""

from __future__ import annotations

from datetime import datetime

from services.review.commands.ports import Reviews, ref_of
from shared.contracts.events.gateway import EpisodeChanged
from shared.contracts.events.review import ReviewChange, ReviewState, ReviewUpdated
from shared.messaging.events import Message


async def withdraw_reviews(reviews: Reviews, message: Message[EpisodeChanged], now: datetime) -> None:
    deleted = message.event.deleted_asset_ids
    if not deleted:
        return
    await reviews.bury(deleted, now)
    for review, cause in await reviews.open_of(deleted):
        closed = await reviews.close(review.ref.run_id, ReviewState.WITHDRAWN, now)
        if closed:
            await reviews.publish(
                ReviewUpdated(
                    **ref_of(closed.ref),
                    review_rev=closed.rev,
                    change=ReviewChange.WITHDRAWN,
                    state=closed.state,
                    deadline=closed.deadline,
                ),
                cause,
            )
