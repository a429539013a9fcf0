"""A preview opens a review; one decision, its deadline or the deletion of its asset closes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from services.review import metrics
from services.review.domain.reviews import HistoryEntry, Review, Verdict, deadline_of, outcome, refusal
from shared.contracts.base import Event
from shared.contracts.events.gateway import DecisionAction, DecisionSubmitted, EpisodeChanged
from shared.contracts.events.generator import PreviewReady
from shared.contracts.events.review import Accepted, RefusalReason, Rejected, ReviewChange, ReviewState, ReviewUpdated
from shared.contracts.values import Actor, Ref, RunSource
from shared.core.errors import Permanent
from shared.messaging.events import Cause, Message


class Reviews(Protocol):
    """Reviews in one transaction: store/reviews.py, or a fake in unit tests."""

    async def lock(self, run_id: str) -> Review | None: ...
    async def open(self, review: Review, cause: Cause) -> bool: ...
    async def close(self, run_id: str, state: ReviewState, at: datetime) -> Review: ...
    async def lock_due(self, now: datetime, limit: int) -> list[tuple[Review, Cause]]: ...
    async def lock_open(self, asset_ids: Sequence[str]) -> list[tuple[Review, Cause]]: ...
    async def record(self, entry: HistoryEntry) -> None: ...
    async def is_recorded(self, decision_id: str) -> bool: ...
    async def tombstone(self, asset_ids: Sequence[str], at: datetime) -> None: ...
    async def restore(self, asset_ids: Sequence[str]) -> None: ...
    async def is_tombstoned(self, asset_id: str) -> bool: ...
    async def park(self, run_id: str, message: Message[Any]) -> None: ...
    async def unpark(self, run_id: str) -> list[Message[Any]]: ...
    async def publish(self, event: Event, cause: Cause) -> None: ...


async def open_review(reviews: Reviews, message: Message[PreviewReady], now: datetime) -> None:
    """Opens the run's review, or decides at once where the policy says so. Then applies decisions that came early."""
    preview, cause = message.event, message.cause
    deleted = await reviews.is_tombstoned(preview.asset_id)
    review = Review(
        ref=Ref(**_ref_fields(preview)),
        state=ReviewState.WITHDRAWN if deleted else ReviewState.OPEN,
        candidates=tuple(version.version_id for version in preview.candidates),
        opened_at=now,
        deadline=deadline_of(now, preview.review_timeout_s),
        rev=1,
    )
    if not await reviews.open(review, cause):
        return
    if deleted:
        await reviews.publish(_update(review, ReviewChange.WITHDRAWN), cause)
    elif preview.auto_approve and len(review.candidates) == 1:
        await _approve_by_policy(reviews, review, preview, cause, now)
    else:
        await reviews.publish(_update(review, ReviewChange.OPENED), cause)
    for early in await reviews.unpark(preview.run_id):
        await decide(reviews, early, now)


async def decide(reviews: Reviews, message: Message[DecisionSubmitted], now: datetime) -> None:
    """The first decision in time counts; every other one is refused with its reason."""
    decision, cause = message.event, message.cause
    if await reviews.is_recorded(decision.decision_id):
        return
    review = await reviews.lock(decision.run_id)
    if review is None:
        if await reviews.is_tombstoned(decision.asset_id):
            await _refuse(reviews, None, decision, RefusalReason.WITHDRAWN, cause, now)
        else:
            await reviews.park(decision.run_id, message)
        return
    if reason := refusal(review, decision):
        if reason is RefusalReason.EXPIRED and review.state is ReviewState.OPEN:
            # The gateway submits one decision of a run at a time, so none that was in time is still on its way.
            review = await _expire(reviews, review, cause, now)
        await _refuse(reviews, review, decision, reason, cause, now)
        return
    closed = await reviews.close(decision.run_id, outcome(decision.action), now)
    await _record_verdict(reviews, closed, HistoryEntry.of(decision, Verdict(closed.state), now))
    await reviews.publish(_verdict(closed, decision, now), cause)


async def expire_reviews(reviews: Reviews, now: datetime, limit: int = 100) -> int:
    """Expires what is due and returns the number. Call it only when every submitted decision has been consumed: a
    decision that was submitted in time must win."""
    due = await reviews.lock_due(now, limit)
    for review, cause in due:
        await _expire(reviews, review, cause, now)
    return len(due)


async def withdraw_reviews(reviews: Reviews, message: Message[EpisodeChanged], now: datetime) -> None:
    """Withdraws the open reviews of deleted assets. Previews of these assets that arrive later never open one, unless
    the assets are restored before."""
    if message.event.restored_asset_ids:
        await reviews.restore(message.event.restored_asset_ids)
    deleted = message.event.deleted_asset_ids
    if not deleted:
        return
    await reviews.tombstone(deleted, now)
    for review, cause in await reviews.lock_open(deleted):
        withdrawn = await reviews.close(review.ref.run_id, ReviewState.WITHDRAWN, now)
        metrics.WITHDRAWN.inc()
        await reviews.publish(_update(withdrawn, ReviewChange.WITHDRAWN), cause)


async def refuse_unreadable(reviews: Reviews, body: Mapping[str, Any], cause: Cause) -> None:
    """Refuses a decision that does not match its schema, so that nobody waits for its answer forever.

    `body` is its JSON object. Raises Permanent `nothing_to_refuse` if it does not name the run.
    """
    try:
        refused = ReviewUpdated(
            **{name: body.get(name) for name in Ref.model_fields},
            review_rev=0,
            change=ReviewChange.REFUSED,
            state=None,
            decision_id=body.get("decision_id"),
            reason=RefusalReason.NOT_A_CANDIDATE,
        )
    except ValueError as error:
        raise Permanent("nothing_to_refuse", str(error)) from error
    metrics.REFUSED.labels(RefusalReason.NOT_A_CANDIDATE.value).inc()
    await reviews.publish(refused, cause)


async def _approve_by_policy(
    reviews: Reviews, review: Review, preview: PreviewReady, cause: Cause, now: datetime
) -> None:
    """A rollback to an existing version counts as a decision of the person who requested it."""
    actor = preview.actor if preview.source is RunSource.EXISTING else Actor(kind="policy")
    version_id = review.candidates[0]
    closed = await reviews.close(review.ref.run_id, ReviewState.ACCEPTED, now)
    await _record_verdict(
        reviews,
        closed,
        HistoryEntry(
            None, review.ref.run_id, version_id, DecisionAction.APPROVE, actor, now, now, verdict=Verdict.ACCEPTED
        ),
    )
    accepted = Accepted(
        **_ref_fields(review.ref),
        review_rev=closed.rev,
        decision_id=None,
        version_id=version_id,
        decided_at=now,
        actor=actor,
    )
    await reviews.publish(accepted, cause)


async def _record_verdict(reviews: Reviews, closed: Review, entry: HistoryEntry) -> None:
    metrics.DECIDED.labels(entry.verdict.value, entry.actor.kind).inc()
    metrics.LATENCY.observe(max(0.0, (entry.decided_at - closed.opened_at).total_seconds()))
    await reviews.record(entry)


async def _expire(reviews: Reviews, review: Review, cause: Cause, now: datetime) -> Review:
    expired = await reviews.close(review.ref.run_id, ReviewState.EXPIRED, now)
    metrics.EXPIRED.inc()
    await reviews.publish(_update(expired, ReviewChange.EXPIRED), cause)
    return expired


async def _refuse(
    reviews: Reviews,
    review: Review | None,
    decision: DecisionSubmitted,
    reason: RefusalReason,
    cause: Cause,
    now: datetime,
) -> None:
    metrics.REFUSED.labels(reason.value).inc()
    await reviews.record(HistoryEntry.of(decision, Verdict.REFUSED, now))
    refused = ReviewUpdated(
        **_ref_fields(decision),
        review_rev=review.rev if review else 0,
        change=ReviewChange.REFUSED,
        state=review.state if review else None,
        deadline=review.deadline if review else None,
        decision_id=decision.decision_id,
        reason=reason,
    )
    await reviews.publish(refused, cause)


def _verdict(closed: Review, decision: DecisionSubmitted, now: datetime) -> Accepted | Rejected:
    fields = _ref_fields(closed.ref) | {
        "review_rev": closed.rev,
        "decision_id": decision.decision_id,
        "version_id": decision.version_id,
        "rating": decision.rating,
        "feedback": decision.feedback,
        "decided_at": now,
        "actor": decision.actor,
    }
    if closed.state is ReviewState.ACCEPTED:
        return Accepted(**fields)
    return Rejected(
        **fields,
        action=decision.action,
        suggested_changes=decision.suggested_changes,
        regenerate=decision.regenerate,
        next_run_id=decision.next_run_id,
    )


def _update(review: Review, change: ReviewChange) -> ReviewUpdated:
    return ReviewUpdated(
        **_ref_fields(review.ref), review_rev=review.rev, change=change, state=review.state, deadline=review.deadline
    )


def _ref_fields(ref: Ref) -> dict[str, Any]:
    """The fields that every event about a run has."""
    return {name: getattr(ref, name) for name in Ref.model_fields}
