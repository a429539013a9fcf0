"""Submit decisions on previews and read their outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from services.gateway.commands.run_admission import RunSpec, StartRun, admit_run, check_run, run_parameters
from services.gateway.domain.accounts import Caller, Role
from services.gateway.domain.errors import Refusal, invalid, invalid_state, not_found
from services.gateway.domain.reviews import NewReview
from services.gateway.domain.runs import Run, RunStatus
from services.gateway.store.unit_of_work import Store
from shared.contracts.events.gateway import DecisionAction, DecisionSubmitted
from shared.contracts.values import Actor, ParentReason


@dataclass(frozen=True)
class SubmitDecision:
    """`regenerate` None: true if changes are suggested and the caller may spend."""

    run_id: str
    action: Literal["approve", "reject"]
    version_id: str | None = None
    rating: int | None = None
    feedback: str | None = None
    suggested_changes: Mapping[str, Any] | None = None
    regenerate: bool | None = None


@dataclass(frozen=True)
class SubmittedDecision:
    decision_id: str
    run_id: str
    next_run_id: str | None


async def submit_decision(store: Store, caller: Caller, command: SubmitDecision) -> SubmittedDecision:
    """Raises Refusal not-found, already-decided, invalid-state, gone, invalid, forbidden, spend-cap-reached."""
    run = await store.runs.lock(command.run_id)
    if run is None or run.project_id != caller.project_id:
        raise not_found("run")
    await _check_open(store, run)
    version_id = await _version(store, run, command)
    next_run = store.new_id() if _regenerates(caller, command) else None
    decision_id = await record_decision(
        store,
        run,
        Decision(
            action=DecisionAction(command.action),
            version_id=version_id,
            actor=caller.actor,
            rating=command.rating,
            feedback=command.feedback,
            suggested_changes=command.suggested_changes,
            next_run_id=next_run,
        ),
    )
    if next_run:
        await _hold_next(store, caller, run, command, next_run)
    return SubmittedDecision(decision_id, run.run_id, next_run)


async def _check_open(store: Store, run: Run) -> None:
    match run.status:
        case RunStatus.PREVIEW_READY:
            return
        case RunStatus.ACCEPTED | RunStatus.COMPLETE | RunStatus.REJECTED | RunStatus.EXPIRED:
            decided = await store.reviews.decisive(run.run_id)
            outcome = "accepted" if run.status is RunStatus.COMPLETE else run.status.value
            raise already_decided(outcome, decided.review_id if decided else None)
        case _:
            raise invalid_state("run", run.status, [RunStatus.PREVIEW_READY], "There is no preview to decide on.")


async def _version(store: Store, run: Run, command: SubmitDecision) -> str:
    """The candidate that was seen; only a lone one needs no name. A rejection turns all of them down."""
    named = command.version_id
    if named is None and len(run.candidates) > 1 and command.action == "approve":
        raise invalid(("/version_id", "there are several candidates: name the one you choose"))
    chosen = named or run.candidates[0]
    if chosen not in run.candidates:
        raise invalid(("/version_id", "is not a candidate of this run"))
    version = await store.versions.get(chosen)
    if version and version.retired_at:
        raise Refusal("gone", "This version was deleted by retention.", "Regenerate it.")
    return chosen


def _regenerates(caller: Caller, command: SubmitDecision) -> bool:
    if command.action == "approve":
        if command.regenerate:
            raise invalid(("/regenerate", "goes with a rejection"))
        return False
    may_spend = caller.role.at_least(Role.EDITOR)
    if command.regenerate is None:
        return bool(command.suggested_changes) and may_spend
    if command.regenerate and not may_spend:
        raise Refusal(
            "forbidden",
            "Only editors start new runs.",
            "Ask an owner, or reject without regenerating.",
            required_role=Role.EDITOR.value,
        )
    return command.regenerate


async def _hold_next(store: Store, caller: Caller, run: Run, command: SubmitDecision, next_run_id: str) -> None:
    """The next run is checked and written now, and sent once review has confirmed the rejection."""
    asset = await store.assets.lock(run.asset_id)
    if asset is None:
        raise not_found("asset")
    base = await store.assets.base_of(run.asset_id)
    changes = dict(command.suggested_changes or {})
    again = StartRun(run.asset_id, changes=changes or {"prompt_modifications": ""})  # the parent's wishes once more
    order = RunSpec(
        asset=asset,
        base=base,
        actor=caller.actor,
        review_timeout_s=run.request.review_timeout_s,
        parameters=run_parameters(again, asset, base, run, changes_in="/suggested_changes"),
        variants=run.request.variants,
        keep_original=run.request.keep_original,
        parent_run_id=run.run_id,
        parent_reason=ParentReason.REJECTED,
        batch_id=run.batch_id,
        changes=changes or None,
        held=True,
        run_id=next_run_id,
    )
    await check_run(store, order, changes_in="/suggested_changes")
    await admit_run(store, order)


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


_OUTCOMES = {"already_decided": "decided", "expired": "expired", "withdrawn": "withdrawn"}


@dataclass(frozen=True)
class DecisionOutcome:
    decision_id: str
    run_id: str
    verdict: Literal["pending", "accepted", "rejected"]
    next_run_id: str | None


async def read_outcome(store: Store, decision_id: str) -> DecisionOutcome:
    """Raises Refusal already-decided if review refused it (unless all that it asked for is a run that starts)."""
    review = await store.reviews.get(decision_id)
    if review is None:
        raise not_found("review")
    match review.verdict:
        case "pending" | "accepted" | "rejected":
            return DecisionOutcome(decision_id, review.run_id, review.verdict, review.next_run_id)
    if review.action is DecisionAction.REQUEST_REGENERATION and review.reason == "expired":
        return DecisionOutcome(
            decision_id, review.run_id, "rejected", review.next_run_id
        )  # closed either way; the run starts
    run = await store.runs.get(review.run_id)
    decided = await store.reviews.decisive(review.run_id)
    told = _OUTCOMES.get(review.reason or "", review.reason or "refused")
    outcome = run.state.review.value if run and run.state.is_decided and told == "decided" else told
    raise already_decided(outcome, decided.review_id if decided else None)
