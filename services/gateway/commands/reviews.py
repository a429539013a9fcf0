"""Submit decisions on previews, and read what became of them.

The review service is the one that decides: a decision is recorded as pending and published, and counts once the review
service has confirmed it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from services.gateway.commands.run_admission import RunSpec, admit_run, check_run, run_parameters
from services.gateway.domain.accounts import Caller, Role
from services.gateway.domain.errors import Refusal, invalid, invalid_state, not_found
from services.gateway.domain.reviews import NewReview
from services.gateway.domain.run_parameters import MODIFICATIONS, RunParameters
from services.gateway.domain.runs import Run, RunStatus
from services.gateway.domain.versions import version_gone
from services.gateway.store.unit_of_work import Store
from shared.contracts.events.gateway import DecisionAction, DecisionSubmitted
from shared.contracts.messages import message, problem_text
from shared.contracts.values import Actor, ParentReason

SUGGESTED_CHANGES: Final = "/suggested_changes"
"""Where a decision has its changes to the next run (a JSON pointer)."""


@dataclass(frozen=True)
class SubmitDecision:
    """`regenerate` None: true if changes are suggested and the caller may start runs."""

    run_id: str
    action: Literal["approve", "reject"]
    version_id: str | None = None
    rating: int | None = None
    feedback: str | None = None
    suggested_changes: Mapping[str, Any] | None = None
    regenerate: bool | None = None
    note_ids: Sequence[str] = ()
    """The notes about that version that the decision is about."""


@dataclass(frozen=True)
class SubmittedDecision:
    decision_id: str
    run_id: str
    next_run_id: str | None


async def submit_decision(store: Store, caller: Caller, command: SubmitDecision) -> SubmittedDecision:
    """A person approves or rejects a preview, once; a rejection may request the next run.

    Raises Refusal not-found, already-decided, invalid-state, gone, invalid, forbidden, rate-limited,
    spend-cap-reached.
    """
    run = caller.owned(await store.runs.lock(command.run_id), "run")
    await _check_open(store, run)
    version_id = await _chosen_version(store, run, command)
    await _check_notes(store, version_id, command.note_ids)
    next_run_id = store.new_id() if _regenerates(caller, command) else None
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
            next_run_id=next_run_id,
            note_ids=tuple(command.note_ids),
        ),
    )
    if next_run_id:
        await _admit_next_run(store, caller, run, command, next_run_id)
    return SubmittedDecision(decision_id, run.run_id, next_run_id)


async def _check_open(store: Store, run: Run) -> None:
    match run.status:
        case RunStatus.PREVIEW_READY:
            return
        case RunStatus.ACCEPTED | RunStatus.COMPLETE | RunStatus.REJECTED | RunStatus.EXPIRED:
            decided = await store.reviews.decisive(run.run_id)
            outcome = "accepted" if run.status is RunStatus.COMPLETE else run.status.value
            raise already_decided(outcome, decided.review_id if decided else None)
        case _:
            recovery = message("problem.nothing_to_decide.recovery")
            raise invalid_state("run", run.status, [RunStatus.PREVIEW_READY], recovery)


async def _chosen_version(store: Store, run: Run, command: SubmitDecision) -> str:
    """The candidate that the decision is about. It must be named to approve one of several; a rejection applies to all
    of them."""
    if command.version_id is None and len(run.candidates) > 1 and command.action == "approve":
        raise invalid(("/version_id", "is required: there are several candidates to choose from"))
    chosen = command.version_id or run.candidates[0]
    if chosen not in run.candidates:
        raise invalid(("/version_id", "is not a candidate of this run"))
    version = await store.versions.get(chosen)
    if version and version.retired_at:
        raise version_gone()
    return chosen


async def _check_notes(store: Store, version_id: str, note_ids: Sequence[str]) -> None:
    """Raises Refusal invalid for notes that are not about the version."""
    known = await store.notes.of_version(version_id, note_ids) if note_ids else set()
    strange = [(f"/note_ids/{i}", "is not a note about this version") for i, n in enumerate(note_ids) if n not in known]
    if strange:
        raise invalid(*strange)


def _regenerates(caller: Caller, command: SubmitDecision) -> bool:
    if command.action == "approve":
        if command.regenerate:
            raise invalid(("/regenerate", "is only allowed with a rejection"))
        return False
    may_start_runs = caller.role.at_least(Role.EDITOR)
    if command.regenerate is None:
        return bool(command.suggested_changes) and may_start_runs
    if command.regenerate and not may_start_runs:
        raise Refusal(
            "forbidden",
            *problem_text("not_yours_to_regenerate"),
            required_role=Role.EDITOR.value,
        )
    return command.regenerate


async def _admit_next_run(store: Store, caller: Caller, run: Run, command: SubmitDecision, next_run_id: str) -> None:
    """The next run is checked and written now; it is sent once the review service has confirmed the rejection."""
    asset = await store.assets.lock(run.asset_id)
    if asset is None:
        raise not_found("asset")
    base = await store.assets.base_of(run.asset_id)
    changes = dict(command.suggested_changes or {})
    repeat = changes or {MODIFICATIONS: ""}  # without changes, the parent's parameters are requested again
    spec = RunSpec(
        asset=asset,
        base=base,
        actor=caller.actor,
        review_timeout_s=run.request.review_timeout_s,
        parameters=run_parameters(RunParameters(), repeat, asset, base, run, changes_in=SUGGESTED_CHANGES),
        variants=run.request.variants,
        keep_original=run.request.keep_original,
        parent_run_id=run.run_id,
        parent_reason=ParentReason.REJECTED,
        batch_id=run.batch_id,
        changes=changes or None,
        held=True,
        run_id=next_run_id,
    )
    await check_run(store, spec, changes_in=SUGGESTED_CHANGES)
    await admit_run(store, spec)


@dataclass(frozen=True)
class Decision:
    action: DecisionAction
    version_id: str
    actor: Actor
    rating: int | None = None
    feedback: str | None = None
    suggested_changes: Mapping[str, Any] | None = None
    next_run_id: str | None = None
    note_ids: tuple[str, ...] = ()


async def record_decision(store: Store, run: Run, decision: Decision) -> str:
    """Stores a decision and publishes it to the review service. Returns its id. Raises Refusal already-decided if
    another decision on the run is pending."""
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
        note_ids=decision.note_ids,
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
    if outcome in ("expired", "rejected"):
        text = problem_text("already_closed", outcome=outcome)
    else:
        text = problem_text("already_decided", outcome=outcome)
    return Refusal("already-decided", *text, outcome=outcome, review_id=review_id)


@dataclass(frozen=True)
class DecisionOutcome:
    decision_id: str
    run_id: str
    verdict: Literal["pending", "accepted", "rejected"]
    next_run_id: str | None


_OUTCOMES: Final = {"already_decided": "decided", "expired": "expired", "withdrawn": "withdrawn"}


async def read_outcome(store: Store, decision_id: str) -> DecisionOutcome:
    """Raises Refusal not-found, or already-decided if the review service refused the decision. A request for another
    run that came after the deadline counts as a rejection: its run starts either way."""
    review = await store.reviews.get(decision_id)
    if review is None:
        raise not_found("review")
    match review.verdict:
        case "pending" | "accepted" | "rejected":
            return DecisionOutcome(decision_id, review.run_id, review.verdict, review.next_run_id)
    if review.action is DecisionAction.REQUEST_REGENERATION and review.reason == "expired":
        return DecisionOutcome(decision_id, review.run_id, "rejected", review.next_run_id)
    run = await store.runs.get(review.run_id)
    decided = await store.reviews.decisive(review.run_id)
    outcome = _OUTCOMES.get(review.reason or "", review.reason or "refused")
    if run and run.state.is_decided and outcome == "decided":
        outcome = run.state.review.value
    raise already_decided(outcome, decided.review_id if decided else None)
