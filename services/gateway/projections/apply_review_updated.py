"""A review was opened, expired or withdrawn, or it refused a decision."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from services.gateway.commands.announce import of_run
from services.gateway.commands.drop_run import drop_held
from services.gateway.commands.enter_run import send_held
from services.gateway.commands.ports import Entry, Store
from services.gateway.commands.rows import Run
from services.gateway.domain.runs import RunStatus, Track, Verdict, verdict_of
from services.gateway.domain.times import after, rfc3339
from services.gateway.projections.apply_preview_ready import announces, preview, preview_entry
from shared.contracts.events.review import RefusalReason, ReviewUpdated
from shared.contracts.messages import message
from shared.contracts.values import Actor
from shared.messaging.events import Message

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
    if track.verdict is Verdict.OPEN:
        await _opened(store, run, track, event, at)
    else:
        await _closed(store, run, track, event, at)


async def _opened(store: Store, run: Run, track: Track, event: ReviewUpdated, at: datetime) -> None:
    if not announces(run, track):
        moved = await store.runs.save(run, track, at, deadline=event.deadline)
        await store.log(_entry(run, track.status, moved, event, event.deadline))
        return
    first = after(run.updated_at, at)
    moved = await store.runs.save(run, track, after(first, first), deadline=event.deadline, announced=True)
    shown = [preview(v, run.label) for v in await store.versions.facts(run.candidates)]
    await store.log(
        _entry(run, track.status, first, event, event.deadline), preview_entry(run, track, moved, shown, event.deadline)
    )


async def _closed(store: Store, run: Run, track: Track, event: ReviewUpdated, at: datetime) -> None:
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
        await drop_held(store, run, "The asset was deleted.")
        await store.assets.release(run.asset_id, run.run_id, at)
    elif not await send_held(store, run):
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
        await drop_held(store, run, "The decision that asked for it was refused.")
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
) -> Entry:
    return of_run(
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
