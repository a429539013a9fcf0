"""A decision is written down and handed to review; one at a time per run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.gateway.commands.ports import Store
from services.gateway.commands.rows import NewReview, Run
from services.gateway.domain.errors import Refusal
from shared.contracts.events.gateway import DecisionAction, DecisionSubmitted
from shared.contracts.values import Actor


@dataclass(frozen=True)
class Decision:
    action: DecisionAction
    version_id: str
    actor: Actor
    rating: int | None = None
    feedback: str | None = None
    suggested_changes: Mapping[str, Any] | None = None
    next_run_id: str | None = None


async def record_decision(store: Store, run: Run, decision: Decision) -> str:
    """Returns the decision's id. Raises Refusal already-decided if one is pending."""
    now, review_id = store.now(), store.new_id()
    review = NewReview(
        review_id=review_id,
        run=run,
        version_id=decision.version_id,
        action=decision.action,
        actor=decision.actor,
        at=now,
        rating=decision.rating,
        feedback=decision.feedback,
        suggested_changes=decision.suggested_changes,
        regenerate=decision.next_run_id is not None,
        next_run_id=decision.next_run_id,
    )
    if not await store.reviews.insert(review):
        pending = await store.reviews.pending(run.run_id)
        raise already_decided("pending", pending.review_id if pending else None)
    changes = None if decision.suggested_changes is None else dict(decision.suggested_changes)
    await store.publish(
        run.project_id,
        run.owner_id,
        DecisionSubmitted(
            run_id=run.run_id,
            asset_id=run.asset_id,
            asset_kind=run.kind,
            episode_id=run.episode_id,
            segment_id=run.segment_id,
            segment_number=run.segment_number,
            decision_id=review_id,
            version_id=decision.version_id,
            action=decision.action,
            rating=decision.rating,
            feedback=decision.feedback,
            suggested_changes=changes,
            regenerate=decision.next_run_id is not None,
            next_run_id=decision.next_run_id,
            submitted_at=now,
            actor=decision.actor,
        ),
    )
    return review_id


def already_decided(outcome: str, review_id: str | None) -> Refusal:
    how = "Reopen it to decide again." if outcome in ("expired", "rejected") else "Refresh."
    return Refusal(
        "already-decided", f"This preview was decided already: {outcome}.", how, outcome=outcome, review_id=review_id
    )
