"""A preview is ready: open its review, or decide at once if the policy says so."""

from __future__ import annotations

from datetime import datetime

from services.review.commands.decide import decide
from services.review.commands.ports import Reviews, ref_of
from services.review.domain.reviews import Review, deadline_of
from shared.contracts.events.generator import PreviewReady
from shared.contracts.events.review import Accepted, ReviewChange, ReviewState, ReviewUpdated
from shared.contracts.values import Actor, Ref, RunSource
from shared.messaging.events import Cause, Message


async def open_review(reviews: Reviews, message: Message[PreviewReady], now: datetime) -> None:
    preview, cause = message.event, message.cause
    buried = await reviews.is_buried(preview.asset_id)
    review = Review(
        ref=Ref(**ref_of(preview)),
        state=ReviewState.WITHDRAWN if buried else ReviewState.OPEN,
        candidates=tuple(v.version_id for v in preview.candidates),
        deadline=deadline_of(now, preview.review_timeout_s),
        rev=1,
    )
    if not await reviews.open(review, cause):
        return
    if buried:
        await reviews.publish(_update(review, ReviewChange.WITHDRAWN), cause)
    elif preview.auto_approve and len(review.candidates) == 1:
        by = preview.actor if preview.source is RunSource.EXISTING else Actor(kind="policy")  # who rolled back decided
        await _approve_at_once(reviews, review, by, cause, now)
    else:
        await reviews.publish(_update(review, ReviewChange.OPENED), cause)
    for parked in await reviews.unpark(preview.run_id):
        await decide(reviews, parked, now)


async def _approve_at_once(reviews: Reviews, review: Review, by: Actor, cause: Cause, now: datetime) -> None:
    closed = await reviews.close(review.ref.run_id, ReviewState.ACCEPTED, now)
    assert closed is not None, "it was opened in this transaction"
    await reviews.record(None, closed, decision=None, actor=by, verdict="accepted", at=now)
    await reviews.publish(
        Accepted(
            **ref_of(review.ref),
            review_rev=closed.rev,
            decision_id=None,
            version_id=review.candidates[0],
            decided_at=now,
            actor=by,
        ),
        cause,
    )


def _update(review: Review, change: ReviewChange) -> ReviewUpdated:
    return ReviewUpdated(
        **ref_of(review.ref), review_rev=review.rev, change=change, state=review.state, deadline=review.deadline
    )
