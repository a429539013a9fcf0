"""After a restore of review's database alone: what it had decided since, from its own events."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, assert_never

from services.review.commands.reviews import Reviews, decide
from services.review.domain.reviews import HistoryEntry, Review, Verdict
from shared.contracts.base import Event
from shared.contracts.events.gateway import DecisionAction, DecisionSubmitted
from shared.contracts.events.generator import PreviewReady
from shared.contracts.events.review import Accepted, Rejected, ReviewChange, ReviewState, ReviewUpdated
from shared.contracts.values import Ref
from shared.messaging.events import Message

Decisions = dict[str, DecisionSubmitted]


async def recollect_review(reviews: Reviews, story: Sequence[Message[Event]], now: datetime) -> str | None:
    """`story`: what was published about one run since. Afterwards its review is where the others have seen it, with the
    verdicts of all decisions that were answered. Returns why a person has to look, or None."""
    previews = [m for m in story if isinstance(m.event, PreviewReady)]
    own = [m for m in story if isinstance(m.event, Accepted | Rejected | ReviewUpdated)]
    decisions = {m.event.decision_id: m.event for m in story if isinstance(m.event, DecisionSubmitted)}
    run_id = own[0].event.subject
    known = await _is_there(reviews, run_id, previews, own)
    if not known and not all(_answers_nothing(m.event) for m in own):
        return "its review was opened, but no topic has its preview"
    for message in own:
        match message.event:
            case Accepted() | Rejected() as verdict:
                await _close_by(reviews, verdict, decisions)
            case ReviewUpdated() as update:
                await _update(reviews, update, decisions, message.envelope.time)
    if known:
        for early in await reviews.unpark(run_id):  # came before its preview; answered since, as a rule
            await decide(reviews, early, now)
    return None


async def _is_there(
    reviews: Reviews, run_id: str, previews: Sequence[Message[Any]], own: Sequence[Message[Any]]
) -> bool:
    """Opens the review as it was opened, if the database does not know it."""
    if await reviews.lock(run_id):
        return True
    seen = [m for m in own if not _answers_nothing(m.event)]
    if not seen or not previews:
        return False
    preview: PreviewReady = previews[0].event
    first = seen[0].event
    never_open = isinstance(first, ReviewUpdated) and first.change is ReviewChange.WITHDRAWN and first.review_rev == 1
    deadlines = [m.event.deadline for m in seen if isinstance(m.event, ReviewUpdated)]
    review = Review(
        ref=Ref(**{name: getattr(preview, name) for name in Ref.model_fields}),
        state=ReviewState.WITHDRAWN if never_open else ReviewState.OPEN,
        candidates=tuple(version.version_id for version in preview.candidates),
        opened_at=seen[0].envelope.time,
        deadline=next(iter(deadlines), None),
        rev=1,
    )
    return await reviews.open(review, previews[0].cause)


def _answers_nothing(event: Event) -> bool:
    """A refusal without a review: of a run that was never opened."""
    return isinstance(event, ReviewUpdated) and event.state is None


async def _close_by(reviews: Reviews, verdict: Accepted | Rejected, decisions: Decisions) -> None:
    review = await reviews.lock(verdict.run_id)
    if review is None or review.state is not ReviewState.OPEN:
        return
    accepted = isinstance(verdict, Accepted)
    await reviews.close(verdict.run_id, ReviewState.ACCEPTED if accepted else ReviewState.REJECTED, verdict.decided_at)
    decision = decisions.get(verdict.decision_id or "")
    outcome = Verdict.ACCEPTED if accepted else Verdict.REJECTED
    if decision:
        await reviews.record(HistoryEntry.of(decision, outcome, verdict.decided_at))
        return
    await reviews.record(
        HistoryEntry(
            verdict.decision_id,
            verdict.run_id,
            verdict.version_id,
            DecisionAction.APPROVE if isinstance(verdict, Accepted) else verdict.action,
            verdict.actor,
            verdict.decided_at,
            verdict.decided_at,
            outcome,
            verdict.rating,
            verdict.feedback,
            None if isinstance(verdict, Accepted) else verdict.suggested_changes,
        )
    )


async def _update(reviews: Reviews, update: ReviewUpdated, decisions: Decisions, at: datetime) -> None:
    match update.change:
        case ReviewChange.OPENED:
            pass
        case ReviewChange.EXPIRED | ReviewChange.WITHDRAWN as change:
            review = await reviews.lock(update.run_id)
            if review and review.state is ReviewState.OPEN:
                closed = ReviewState.EXPIRED if change is ReviewChange.EXPIRED else ReviewState.WITHDRAWN
                await reviews.close(update.run_id, closed, at)
        case ReviewChange.REFUSED:
            decision = decisions.get(update.decision_id or "")
            if decision and not await reviews.is_recorded(decision.decision_id):
                await reviews.record(HistoryEntry.of(decision, Verdict.REFUSED, at))
        case _:
            assert_never(update.change)
