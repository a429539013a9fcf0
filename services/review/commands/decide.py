"""A person decided: the first decision in time counts, every other is refused with its reason."""

from __future__ import annotations

from datetime import datetime

from services.review.commands.expire_reviews import expire
from services.review.commands.ports import Reviews, ref_of
from services.review.domain.reviews import Review, outcome, refusal
from shared.contracts.events.gateway import DecisionSubmitted
from shared.contracts.events.review import Accepted, RefusalReason, Rejected, ReviewChange, ReviewState, ReviewUpdated
from shared.contracts.values import Ref
from shared.messaging.events import Message


async def decide(reviews: Reviews, message: Message[DecisionSubmitted], now: datetime) -> None:
    decision = message.event
    if await reviews.was_recorded(decision.decision_id):
        return
    review = await reviews.lock(decision.run_id)
    if review is None:
        if await reviews.is_buried(decision.asset_id):
            await _refuse(reviews, None, message, RefusalReason.WITHDRAWN, now)
        else:
            await reviews.park(decision.run_id, message)
        return
    if reason := refusal(review, decision):
        if reason is RefusalReason.EXPIRED and review.state is ReviewState.OPEN:
            # The gateway hands in one decision of a run at a time: none that was in time is still on its way.
            review = await expire(reviews, review, message.cause, now)
        await _refuse(reviews, review, message, reason, now)
        return
    state = outcome(decision.action)
    closed = await reviews.close(decision.run_id, state, now)
    assert closed is not None, "the row is locked and was open"
    await reviews.record(
        decision.decision_id, closed, decision=decision, actor=decision.actor, verdict=state.value, at=now
    )
    await reviews.publish(_verdict(closed, decision, now), message.cause)


def _verdict(closed: Review, decision: DecisionSubmitted, now: datetime) -> Accepted | Rejected:
    common = ref_of(closed.ref) | {
        "review_rev": closed.rev,
        "decision_id": decision.decision_id,
        "version_id": decision.version_id,
        "rating": decision.rating,
        "feedback": decision.feedback,
        "decided_at": now,
        "actor": decision.actor,
    }
    if closed.state is ReviewState.ACCEPTED:
        return Accepted(**common)
    return Rejected(
        **common,
        action=decision.action,
        suggested_changes=decision.suggested_changes,
        regenerate=decision.regenerate,
        next_run_id=decision.next_run_id,
    )


async def _refuse(
    reviews: Reviews, review: Review | None, message: Message[DecisionSubmitted], reason: RefusalReason, now: datetime
) -> None:
    decision = message.event
    about = review or Review(Ref(**ref_of(decision)), ReviewState.WITHDRAWN, (), None, 0)
    await reviews.record(
        decision.decision_id, about, decision=decision, actor=decision.actor, verdict="refused", at=now
    )
    await reviews.publish(
        ReviewUpdated(
            **ref_of(decision),
            review_rev=about.rev,
            change=ReviewChange.REFUSED,
            state=review.state if review else None,
            deadline=about.deadline,
            decision_id=decision.decision_id,
            reason=reason,
        ),
        message.cause,
    )
