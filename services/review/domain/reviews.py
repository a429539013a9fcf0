"""A review: one per run, open until one decision, its deadline or the asset's deletion closes it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from shared.contracts.events.gateway import DecisionAction, DecisionSubmitted
from shared.contracts.events.review import RefusalReason, ReviewState
from shared.contracts.values import Ref

EXPIRY_GRACE: Final = timedelta(seconds=60)
"""A decision counts by when it was submitted; one that was in time may be this long on its way."""


@dataclass(frozen=True)
class Review:
    """`rev` counts its changes. `deadline` None: it waits for ever."""

    ref: Ref
    state: ReviewState
    candidates: tuple[str, ...]
    deadline: datetime | None
    rev: int


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
    """A request for another version closes the review like a rejection."""
    match action:
        case DecisionAction.APPROVE:
            return ReviewState.ACCEPTED
        case DecisionAction.REJECT | DecisionAction.REQUEST_REGENERATION:
            return ReviewState.REJECTED
