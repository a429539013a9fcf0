"""Review took a decision: accepted, or rejected with or without a next run."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from services.gateway.commands.announce import accepted_text, of_run
from services.gateway.commands.drop_run import drop_held
from services.gateway.commands.enter_run import send_held
from services.gateway.commands.ports import Store
from services.gateway.commands.rows import NewReview, Run
from services.gateway.domain.runs import RunStatus, Track, Verdict
from shared.contracts.events.gateway import DecisionAction
from shared.contracts.events.review import Accepted, Rejected
from shared.contracts.messages import message
from shared.messaging.events import Message


async def apply_accepted(store: Store, told: Message[Accepted]) -> None:
    event, at = told.event, told.envelope.time
    run = await store.runs.lock(event.run_id)
    if run is None:
        return
    review_id = await _settle(store, run, event, DecisionAction.APPROVE, "accepted", at)
    track = run.track.hear_review(Verdict.ACCEPTED, event.review_rev)
    if track.verdict is run.track.verdict:  # `complete` told of it already, or it is old
        if track != run.track:
            await store.runs.save(run, track, run.updated_at)
        return
    await accept(store, run, track, event.version_id, event, review_id, at)


async def accept(
    store: Store, run: Run, track: Track, version_id: str, told: Any, review_id: str | None, at: datetime
) -> Run:
    """The run becomes accepted, whichever event says so first; returns it as it is then."""
    facts: dict[str, Any] = {"version_id": version_id, "message_code": "run.committing", "message_args": {}}
    moved = await store.runs.save(run, track, at, **facts)
    await store.versions.close(run, track, version_id, at)
    await store.runs.note_step(run, "accepted", "accepted", "run.committing", {}, run.attempt, at)
    await drop_held(store, run, "The preview was accepted meanwhile.")
    await store.log(
        of_run(
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
    track = run.track.hear_review(Verdict.REJECTED, event.review_rev)
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
        of_run(
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
    if not await send_held(store, run, feedback=event.action is DecisionAction.REJECT):
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
