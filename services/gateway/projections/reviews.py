"""What the review service reports: reviews opened, decided, expired or withdrawn."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from services.gateway.commands.runs import drop_held_run, send_held_run
from services.gateway.commands.stream_events import (
    accepted_text,
    announces_preview,
    preview_event,
    preview_of,
    run_event,
)
from services.gateway.domain.event_log import StreamEvent
from services.gateway.domain.reviews import NewReview
from services.gateway.domain.runs import ReviewState, Run, RunState, RunStatus, verdict_of
from services.gateway.domain.timestamps import rfc3339, strictly_after
from services.gateway.store.unit_of_work import Store
from shared.contracts.events.gateway import DecisionAction
from shared.contracts.events.review import Accepted, RefusalReason, Rejected, ReviewUpdated
from shared.contracts.messages import message
from shared.contracts.values import Actor
from shared.messaging.events import Message


async def apply_accepted(store: Store, told: Message[Accepted]) -> None:
    event, at = told.event, told.envelope.time
    run = await store.runs.lock(event.run_id)
    if run is None:
        return
    review_id = await _settle(store, run, event, DecisionAction.APPROVE, "accepted", at)
    track = run.track.hear_review(ReviewState.ACCEPTED, event.review_rev)
    if track.verdict is run.track.verdict:  # `complete` told of it already, or it is old
        if track != run.track:
            await store.runs.save(run, track, run.updated_at)
        return
    await accept(store, run, track, event.version_id, event, review_id, at)


async def accept(
    store: Store, run: Run, track: RunState, version_id: str, told: Any, review_id: str | None, at: datetime
) -> Run:
    """The run becomes accepted, whichever event says so first; returns it as it is then."""
    facts: dict[str, Any] = {"version_id": version_id, "message_code": "run.committing", "message_args": {}}
    moved = await store.runs.save(run, track, at, **facts)
    await store.versions.close(run, track, version_id, at)
    await store.runs.note_step(run, "accepted", "accepted", "run.committing", {}, run.attempt, at)
    await drop_held_run(store, run, "The preview was accepted meanwhile.")
    await store.log(
        run_event(
            "accepted",
            run,
            RunStatus.ACCEPTED,
            moved,
            accepted_text(run),
            told.actor,
            version_id=version_id,
            review_id=review_id,
            next_run_id=None,
        )
    )
    return run.moved(track, moved, version_id=version_id)


async def apply_rejected(store: Store, told: Message[Rejected]) -> None:
    event, at = told.event, told.envelope.time
    run = await store.runs.lock(event.run_id)
    if run is None:
        return
    review_id = await _settle(store, run, event, event.action, "rejected", at)
    track = run.track.hear_review(ReviewState.REJECTED, event.review_rev)
    if track.verdict is run.track.verdict:
        return
    revise = bool(event.suggested_changes) or event.action is DecisionAction.REQUEST_REGENERATION
    moved = await store.runs.save(
        run,
        track,
        at,
        needs_revision=revise,
        finished_at=at,
        message_code="review.rejected",
        message_args={"label": run.label},
    )
    await store.versions.close(run, track, None, at)
    await store.runs.note_step(run, "rejected", "rejected", "review.rejected", {"label": run.label}, run.attempt, at)
    await store.log(
        run_event(
            "rejected",
            run,
            track.status,
            moved,
            message("review.rejected", label=run.label),
            event.actor,
            version_id=event.version_id,
            review_id=review_id,
            next_run_id=event.next_run_id,
        )
    )
    if not await send_held_run(store, run, feedback=event.action is DecisionAction.REJECT):
        await store.assets.release(run.asset_id, run.run_id, at)
    if run.batch_now:
        await store.wake_batch(run.batch_now)


async def _settle(
    store: Store, run: Run, event: Accepted | Rejected, action: DecisionAction, verdict: str, at: datetime
) -> str:
    """The history's entry: the decision that was handed in, or one that a policy took by itself."""
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


_SYSTEM = Actor(kind="system")


async def apply_review_updated(store: Store, told: Message[ReviewUpdated]) -> None:
    event, at = told.event, told.envelope.time
    run = await store.runs.lock(event.run_id)
    if run is None:
        return
    verdict = verdict_of(event.change)
    if verdict is None:
        await _refused(store, run, event, at)
        return
    track = run.track.hear_review(verdict, event.review_rev)
    if track.verdict is run.track.verdict:
        return
    if track.verdict is ReviewState.OPEN:
        await _opened(store, run, track, event, at)
    else:
        await _closed(store, run, track, event, at)


async def _opened(store: Store, run: Run, track: RunState, event: ReviewUpdated, at: datetime) -> None:
    if not announces_preview(run, track):
        moved = await store.runs.save(run, track, at, deadline=event.deadline)
        await store.log(_entry(run, track.status, moved, event, event.deadline))
        return
    first = strictly_after(run.updated_at, at)
    moved = await store.runs.save(run, track, strictly_after(first, first), deadline=event.deadline, announced=True)
    shown = [preview_of(v, run.label) for v in await store.versions.facts(run.candidates)]
    await store.log(
        _entry(run, track.status, first, event, event.deadline), preview_event(run, track, moved, shown, event.deadline)
    )


async def _closed(store: Store, run: Run, track: RunState, event: ReviewUpdated, at: datetime) -> None:
    """Expired or withdrawn: the run ends, unless the generator ended it already."""
    facts: dict[str, Any] = {"deadline": event.deadline or run.deadline}
    ends = track.status in (RunStatus.EXPIRED, RunStatus.CANCELLED) and run.status is not track.status
    if ends:
        code = "run.expired" if track.status is RunStatus.EXPIRED else "run.cancelled"
        facts |= {"finished_at": at, "message_code": code, "message_args": {}}
    moved = await store.runs.save(run, track, at, **facts)
    if not ends:
        return
    await store.versions.close(run, track, None, at)
    await store.runs.note_step(run, track.status, track.status, facts["message_code"], {}, run.attempt, at)
    await store.log(_entry(run, track.status, moved, event, run.deadline, text=message(facts["message_code"])))
    if track.status is RunStatus.CANCELLED:
        await drop_held_run(store, run, "The asset was deleted.")
        await store.assets.release(run.asset_id, run.run_id, at)
    elif not await send_held_run(store, run):
        await store.assets.release(run.asset_id, run.run_id, at)
    if run.batch_now:
        await store.wake_batch(run.batch_now)


async def _refused(store: Store, run: Run, event: ReviewUpdated, at: datetime) -> None:
    """The decision did not count. What it wanted to start waits for the expiry if it was only late."""
    reason = event.reason.value if event.reason else "refused"
    if event.decision_id:
        await store.reviews.settle(event.decision_id, "refused", reason, at)
    late = event.reason in (RefusalReason.EXPIRED, RefusalReason.ALREADY_DECIDED)
    if run.holds and (not late or run.status in (RunStatus.ACCEPTED, RunStatus.COMPLETE)):
        await drop_held_run(store, run, "The decision that asked for it was refused.")
    moved = await store.runs.save(run, run.track, at)
    await store.log(_entry(run, run.status, moved, event, run.deadline, reason=reason))


def _entry(
    run: Run,
    status: RunStatus,
    at: datetime,
    event: ReviewUpdated,
    deadline: datetime | None,
    text: str | None = None,
    reason: str | None = None,
) -> StreamEvent:
    return run_event(
        "review-updated",
        run,
        status,
        at,
        text,
        _SYSTEM,
        change=event.change.value,
        deadline=rfc3339(deadline) if deadline else None,
        reason=reason,
    )
