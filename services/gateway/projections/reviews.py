"""What the review service reports: reviews that were opened, decided, expired or withdrawn, and refused decisions."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from services.gateway.commands.runs import approve_although_expired, drop_held_run, send_held_run
from services.gateway.commands.stream_events import accepted_message, preview_event, preview_of, review_event, run_event
from services.gateway.domain.messages import Message
from services.gateway.domain.reviews import NewReview
from services.gateway.domain.runs import ReviewState, Run, RunState, RunStatus, review_state_of
from services.gateway.domain.timestamps import strictly_after
from services.gateway.store.unit_of_work import Store
from shared.contracts.events.gateway import DecisionAction
from shared.contracts.events.review import Accepted, RefusalReason, Rejected, ReviewUpdated
from shared.contracts.messages import message
from shared.contracts.values import Actor


async def apply_accepted(store: Store, event: Accepted, at: datetime) -> None:
    run = await store.runs.lock(event.run_id)
    if run is None:
        return
    review_id = await _record_verdict(store, run, event, DecisionAction.APPROVE, "accepted", at)
    state = run.state.apply_review(ReviewState.ACCEPTED, event.review_rev)
    if state.review is run.state.review:  # the event is late, or `complete` implied it already
        if state != run.state:
            await store.runs.save(run, state, run.updated_at)
        return
    await accept_run(store, run, state, event.version_id, event.actor, review_id, at)


async def accept_run(
    store: Store, run: Run, state: RunState, version_id: str, actor: Actor, review_id: str | None, at: datetime
) -> Run:
    """The run becomes accepted, by `accepted` or by a `complete` that overtook it. Returns it as it was saved."""
    news = accepted_message(run)
    updated_at = await store.runs.save(run, state, at, version_id=version_id, **news.columns())
    await store.versions.close(run, state, version_id, at)
    await store.runs.add_step(run, "accepted", "accepted", "run.committing", {}, run.attempt, at)
    await drop_held_run(store, run, message("problem.unsent_accepted"))
    await store.log(
        run_event(
            "accepted",
            run,
            RunStatus.ACCEPTED,
            updated_at,
            news,
            actor,
            version_id=version_id,
            review_id=review_id,
            next_run_id=None,
        )
    )
    if run.live_batch_id:
        await store.wake_batch(run.live_batch_id)
    return run.accepted(state, updated_at, version_id)


async def apply_rejected(store: Store, event: Rejected, at: datetime) -> None:
    run = await store.runs.lock(event.run_id)
    if run is None:
        return
    review_id = await _record_verdict(store, run, event, event.action, "rejected", at)
    state = run.state.apply_review(ReviewState.REJECTED, event.review_rev)
    if state.review is run.state.review:
        return
    needs_revision = bool(event.suggested_changes) or event.action is DecisionAction.REQUEST_REGENERATION
    code, args = "review.rejected", {"label": run.label}
    updated_at = await store.runs.save(
        run, state, at, needs_revision=needs_revision, finished_at=at, message_code=code, message_args=args
    )
    await store.versions.close(run, state, None, at)
    await store.runs.add_step(run, "rejected", "rejected", code, args, run.attempt, at)
    await store.log(
        run_event(
            "rejected",
            run,
            state.status,
            updated_at,
            Message(code, args),
            event.actor,
            version_id=event.version_id,
            review_id=review_id,
            next_run_id=event.next_run_id,
        )
    )
    if not await send_held_run(store, run, feedback=event.action is DecisionAction.REJECT):
        await store.assets.release(run.asset_id, run.run_id, at)
    if run.live_batch_id:
        await store.wake_batch(run.live_batch_id)


async def _record_verdict(
    store: Store, run: Run, event: Accepted | Rejected, action: DecisionAction, verdict: str, at: datetime
) -> str:
    """Settles the decision that a person submitted, or records one that a policy took. Returns the review's id."""
    if event.decision_id:
        await store.reviews.settle(event.decision_id, verdict, None, event.decided_at)
        return event.decision_id
    review_id = store.new_id()
    await store.reviews.insert(
        NewReview(
            review_id=review_id,
            run=run,
            version_id=event.version_id,
            action=action,
            actor=event.actor,
            at=at,
            rating=event.rating,
            feedback=event.feedback,
            verdict=verdict,
        )
    )
    return review_id


async def apply_review_updated(store: Store, event: ReviewUpdated, at: datetime) -> None:
    run = await store.runs.lock(event.run_id)
    if run is None:
        return
    reported = review_state_of(event.change)
    if reported is None:
        await _apply_refused(store, run, event, at)
        return
    state = run.state.apply_review(reported, event.review_rev)
    if state.review is run.state.review:
        return
    if state.review is ReviewState.OPEN:
        await _apply_opened(store, run, state, event, at)
    else:
        await _apply_closed(store, run, state, event, at)


async def _apply_opened(store: Store, run: Run, state: RunState, event: ReviewUpdated, at: datetime) -> None:
    if not run.announces_preview(state):
        updated_at = await store.runs.save(run, state, at, deadline=event.deadline)
        await store.log(review_event(run, state.status, updated_at, event, event.deadline))
        return
    opened_at = strictly_after(run.updated_at, at)
    previewed_at = strictly_after(opened_at, opened_at)
    updated_at = await store.runs.save(run, state, previewed_at, deadline=event.deadline, announced=True)
    versions = [preview_of(v, run.label) for v in await store.versions.preview_facts(run.candidates)]
    await store.log(
        review_event(run, state.status, opened_at, event, event.deadline),
        preview_event(run, state, updated_at, versions, event.deadline),
    )


async def _apply_closed(store: Store, run: Run, state: RunState, event: ReviewUpdated, at: datetime) -> None:
    """Expired or withdrawn: the run ends, unless the generator has ended it already."""
    changes: dict[str, Any] = {"deadline": event.deadline or run.deadline}
    ends = state.status in (RunStatus.EXPIRED, RunStatus.CANCELLED) and run.status is not state.status
    code = "run.expired" if state.status is RunStatus.EXPIRED else "run.cancelled"
    if ends:
        changes |= {"finished_at": at, "message_code": code, "message_args": {}}
    updated_at = await store.runs.save(run, state, at, **changes)
    if not ends:
        return
    await store.versions.close(run, state, None, at)
    await store.runs.add_step(run, state.status, state.status, code, {}, run.attempt, at)
    await store.log(review_event(run, state.status, updated_at, event, run.deadline, news=Message(code, {})))
    if state.status is RunStatus.CANCELLED:
        await drop_held_run(store, run, message("problem.asset_deleted"))
        await store.assets.release(run.asset_id, run.run_id, at)
    elif not (
        await send_held_run(store, run) or await approve_although_expired(store, run, event.deadline or run.deadline)
    ):
        await store.assets.release(run.asset_id, run.run_id, at)
    if run.live_batch_id:
        await store.wake_batch(run.live_batch_id)


async def _apply_refused(store: Store, run: Run, event: ReviewUpdated, at: datetime) -> None:
    """The decision did not count, so its held run is dropped; after a decision that was only late it stays, because
    the review's expiry is going to send it."""
    reason = event.reason.value if event.reason else "refused"
    known = await store.reviews.get(event.decision_id) if event.decision_id else None
    if known and known.verdict == "accepted":  # carried out by another run when its review expired
        return
    if event.decision_id:
        await store.reviews.settle(event.decision_id, "refused", reason, at)
    late = event.reason in (RefusalReason.EXPIRED, RefusalReason.ALREADY_DECIDED)
    if run.held_run_id and (not late or run.status in (RunStatus.ACCEPTED, RunStatus.COMPLETE)):
        await drop_held_run(store, run, message("problem.unsent_decision_refused"))
    updated_at = await store.runs.save(run, run.state, at)
    await store.log(review_event(run, run.status, updated_at, event, run.deadline, reason=reason))
