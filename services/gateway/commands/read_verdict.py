"""What became of a decision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from services.gateway.commands.ports import Store
from services.gateway.commands.record_decision import already_decided
from services.gateway.domain.errors import not_found
from shared.contracts.events.gateway import DecisionAction

_OUTCOMES = {"already_decided": "decided", "expired": "expired", "withdrawn": "withdrawn"}


@dataclass(frozen=True)
class Verdict:
    decision_id: str
    run_id: str
    verdict: Literal["pending", "accepted", "rejected"]
    next_run_id: str | None


async def read_verdict(store: Store, decision_id: str) -> Verdict:
    """Raises Refusal already-decided if review refused it (unless all that it asked for is a run that starts)."""
    review = await store.reviews.get(decision_id)
    if review is None:
        raise not_found("review")
    match review.verdict:
        case "pending" | "accepted" | "rejected":
            return Verdict(decision_id, review.run_id, review.verdict, review.next_run_id)
    if review.action is DecisionAction.REQUEST_REGENERATION and review.reason == "expired":
        return Verdict(decision_id, review.run_id, "rejected", review.next_run_id)  # closed either way; the run starts
    run = await store.runs.get(review.run_id)
    decided = await store.reviews.decisive(review.run_id)
    told = _OUTCOMES.get(review.reason or "", review.reason or "refused")
    outcome = run.track.verdict.value if run and run.track.is_decided and told == "decided" else told
    raise already_decided(outcome, decided.review_id if decided else None)
