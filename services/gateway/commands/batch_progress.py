"""Advance a batch: recomputed from its rows under its lock; runs that may start are admitted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from services.gateway.commands.films import RequestedFilm, compile_episode, compile_from_json
from services.gateway.commands.run_admission import RunSpec, StartRun, admit_run, check_run, run_parameters
from services.gateway.commands.stream_events import resource_event
from services.gateway.domain.accounts import Caller, Role
from services.gateway.domain.batch_planner import Plan, plan
from services.gateway.domain.batches import LIVE_STATUSES, Batch, BatchCounts, BatchStatus
from services.gateway.domain.errors import Refusal
from services.gateway.store.unit_of_work import Store
from shared.contracts.messages import message

ROUNDS: Final = 3
"""A refused item may free its successor at once: then the plan is made again. More rounds wait for the next call."""


async def advance_batch(store: Store, batch_id: str) -> None:
    """Harmless at any time, any number of times. Starting an item may leave it and free another, so it looks again."""
    batch = await store.batches.lock(batch_id)
    if batch is None or batch.status not in LIVE_STATUSES:
        return
    step = await _look(store, batch)
    for _ in range(ROUNDS):
        if not step.start:
            break
        for asset_id in step.start:
            await _start(store, batch, asset_id)
        step = await _look(store, batch)
    if step.start:
        await store.wake_batch(batch_id)
    await store.batches.save_items(batch_id, step.items, store.now())
    await _settle(store, batch, step)


async def _look(store: Store, batch: Batch) -> Plan:
    segments, music = await store.batches.rows(batch)
    return plan(batch.policy, segments, music, paused=batch.status is BatchStatus.PAUSED)


async def _start(store: Store, batch: Batch, asset_id: str) -> None:
    """Admits a run of the asset; if it is refused, the item says why."""
    asset = await store.assets.lock(asset_id)
    if asset is None or asset.active_run_id or asset.committed_version_id:
        return  # somebody was quicker: the next look at the rows tells
    base = await store.assets.base_of(asset_id)
    order = RunSpec(
        asset=asset,
        base=base,
        actor=batch.actor,
        review_timeout_s=batch.review_timeout_s,
        parameters=run_parameters(StartRun(asset_id), asset, base, None),
        auto_approve=batch.policy.approves(asset.kind),
        batch_id=batch.batch_id,
        correlation_id=batch.correlation_id,
    )
    try:
        await check_run(store, order)
    except Refusal as e:
        await store.batches.refuse(
            batch.batch_id, asset_id, {"code": e.slug, "cause": e.cause, "recovery": e.recovery}, store.now()
        )
        return
    await admit_run(store, order)


async def _settle(store: Store, batch: Batch, step: Plan) -> None:
    """The batch's own row, what clients hear of it, and the film of a `render` at its end."""
    changes: dict[str, Any] = {}
    if step.status is BatchStatus.FAILED:
        changes["error"] = _left(step)
    if step.status is BatchStatus.COMPLETED and batch.compile is not None:
        changes |= await _compile(store, batch)
    status = BatchStatus.FAILED if changes.get("error") else step.status
    await save_progress(store, batch, status, step.counts, **changes)


def _left(step: Plan) -> dict[str, Any]:
    left = [{"asset_id": asset_id, **dict(item.problem)} for asset_id, item in step.items.items() if item.problem]
    cause = f"{step.counts.failed} of {step.counts.total} segments could not be made."
    recovery = "See the items for what to do, then start a batch again: it makes what is missing."
    return {"code": "segments_left", "cause": cause, "recovery": recovery, "retryable": True, "items": left}


async def _compile(store: Store, batch: Batch) -> dict[str, Any]:
    assert batch.compile is not None
    caller = Caller(batch.actor.user_id or "", batch.project_id, batch.owner_id, Role.EDITOR)
    command = compile_from_json(batch.episode_id, batch.compile)
    try:
        compiled = await compile_episode(
            store, caller, command, last_try=True, batch_id=batch.batch_id, correlation_id=batch.correlation_id
        )
    except Refusal as e:
        return {
            "error": {
                "code": e.slug,
                "cause": e.cause,
                "recovery": e.recovery,
                "retryable": False,
                "items": e.extensions.get("segments", []),
            }
        }
    assert isinstance(compiled, RequestedFilm), "the last try answers"
    return {"compilation_id": compiled.compilation_id}


async def save_progress(store: Store, batch: Batch, status: BatchStatus, counts: BatchCounts, **changes: Any) -> None:
    if (status, counts) == (batch.status, batch.counts) and not changes:
        return
    code, args = _message(status, counts, batch)
    await _save(store, batch, status, counts, code, args, **changes)


async def save_start(store: Store, batch: Batch, total: int) -> None:
    """The first that is heard of a batch: how much it is going to make."""
    await _save(
        store, batch, batch.status, replace(batch.counts, total=total), "batch.started+batch.total", {"total": total}
    )


async def _save(
    store: Store,
    batch: Batch,
    status: BatchStatus,
    counts: BatchCounts,
    code: str,
    args: dict[str, Any],
    **changes: Any,
) -> None:
    now = store.now()
    ended = {"finished_at": now} if status in (BatchStatus.COMPLETED, BatchStatus.FAILED, BatchStatus.CANCELLED) else {}
    moved = await store.batches.save(
        batch,
        now,
        status=status.value,
        completed=counts.completed,
        approved=counts.approved,
        failed=counts.failed,
        total=counts.total,
        current_segment=counts.current_segment,
        message_code=code,
        message_args=args,
        **ended,
        **changes,
    )
    await store.log(
        resource_event(
            "batch-updated",
            batch.project_id,
            batch.episode_id,
            moved,
            status=status.value,
            text=message(code, **args),
            actor=batch.actor,
            batch_id=batch.batch_id,
            completed=counts.completed,
            approved=counts.approved,
            failed=counts.failed,
            total=counts.total,
            current_segment=counts.current_segment,
        )
    )


def _message(status: BatchStatus, counts: BatchCounts, batch: Batch) -> tuple[str, dict[str, Any]]:
    match status:
        case BatchStatus.RUNNING if counts.current_segment is not None:
            return "run.segment_started", {"number": counts.current_segment, "total": counts.total}
        case BatchStatus.RUNNING:
            return "batch.finishing", {}
        case BatchStatus.WAITING_REVIEW:
            return "batch.waiting_review", {"number": counts.current_segment}
        case BatchStatus.PAUSED:
            return "batch.paused", {}
        case BatchStatus.COMPLETED:
            return _completed(counts, compiles=batch.compile is not None), {
                "approved": counts.approved,
                "total": counts.total,
            }
        case BatchStatus.FAILED:
            return "batch.failed", {"failed": counts.failed, "total": counts.total}
        case BatchStatus.CANCELLED:
            return "batch.cancelled", {}


def _completed(counts: BatchCounts, *, compiles: bool) -> str:
    if not counts.approved:
        return "batch.done"  # music alone, or everything was skipped
    code = "batch.all_approved" if counts.approved == counts.total else "batch.some_approved"
    return code if compiles else f"{code}+batch.ready_to_compile"
