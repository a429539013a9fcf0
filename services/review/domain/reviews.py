"""A review: one per run, open until a decision, its deadline or the deletion of the asset closes it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Self

from shared.contracts.events.gateway import DecisionAction, DecisionSubmitted
from shared.contracts.events.review import RefusalReason, ReviewState
from shared.contracts.values import Actor, Ref

EXPIRY_GRACE: Final = timedelta(seconds=60)
"""How long after the deadline a decision that was submitted in time may still arrive."""


@dataclass(frozen=True)
class Review:
    """`rev` counts its changes, from 1. A `deadline` of None means that it waits forever."""

    ref: Ref
    state: ReviewState
    candidates: tuple[str, ...]
    opened_at: datetime
    deadline: datetime | None
    rev: int


class Verdict(StrEnum):
    """What became of a decision."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    REFUSED = "refused"


@dataclass(frozen=True)
class HistoryEntry:
    """A decision and what became of it. A `decision_id` of None means that a policy decided."""

    decision_id: str | None
    run_id: str
    version_id: str
    action: DecisionAction
    actor: Actor
    submitted_at: datetime
    decided_at: datetime
    verdict: Verdict
    rating: int | None = None
    feedback: str | None = None
    suggested_changes: dict[str, Any] | None = None

    @classmethod
    def of(cls, decision: DecisionSubmitted, verdict: Verdict, now: datetime) -> Self:
        return cls(
            decision.decision_id,
            decision.run_id,
            decision.version_id,
            decision.action,
            decision.actor,
            decision.submitted_at,
            now,
            verdict,
            decision.rating,
            decision.feedback,
            decision.suggested_changes,
        )


def deadline_of(opened_at: datetime, timeout_s: int | None) -> datetime | None:
    return None if timeout_s is None else opened_at + timedelta(seconds=timeout_s)


def refusal(review: Review, decision: DecisionSubmitted) -> RefusalReason | None:
    """Why this decision does not count, or None if it does."""
    if review.ref.asset_id != decision.asset_id:
        return RefusalReason.FOREIGN
    match review.state:
        case ReviewState.ACCEPTED | ReviewState.REJECTED:
            return RefusalReason.ALREADY_DECIDED
        case ReviewState.EXPIRED:
            return RefusalReason.EXPIRED
        case ReviewState.WITHDRAWN:
            return RefusalReason.WITHDRAWN
        case ReviewState.OPEN:
            pass
    if decision.version_id not in review.candidates:
        return RefusalReason.NOT_A_CANDIDATE
    if review.deadline is not None and decision.submitted_at > review.deadline:
        return RefusalReason.EXPIRED
    return None


def outcome(action: DecisionAction) -> ReviewState:
    """A request for another version closes the review as a rejection does."""
    match action:
        case DecisionAction.APPROVE:
            return ReviewState.ACCEPTED
        case DecisionAction.REJECT | DecisionAction.REQUEST_REGENERATION:
            return ReviewState.REJECTED
