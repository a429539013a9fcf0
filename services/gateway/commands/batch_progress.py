"""Advance a batch and save its progress: its plan is recomputed from its rows under its lock, and runs that may start
are admitted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from services.gateway.commands.films import RequestedFilm, compile_episode, compile_from_json
from services.gateway.commands.run_admission import RunSpec, admit_run, check_run, run_parameters
from services.gateway.commands.stream_events import resource_event
from services.gateway.domain.accounts import Caller, Role
from services.gateway.domain.batch_planner import BatchPlan, plan_batch
from services.gateway.domain.batches import ENDED_STATUSES, LIVE_STATUSES, Batch, BatchCounts, BatchStatus
from services.gateway.domain.errors import AwaitsCommit, Refusal
from services.gateway.domain.run_parameters import RunParameters
from services.gateway.store.unit_of_work import Store
from shared.contracts.messages import message, problem_text

MAX_ROUNDS: Final = 3
"""An item whose run is refused may allow another item to start, so the plan is made again, at most this often. What is
left waits for the next call."""


async def advance_batch(store: Store, batch_id: str) -> None:
    """May be called at any time, any number of times."""
    batch = await store.batches.lock(batch_id)
    if batch is None or batch.status not in LIVE_STATUSES:
        return
    plan = await _plan(store, batch)
    for _ in range(MAX_ROUNDS):
        if not plan.start:
            break
        for asset_id in plan.start:
            await _start_item(store, batch, asset_id)
        plan = await _plan(store, batch)
    if plan.start:
        await store.wake_batch(batch_id)
    await store.batches.save_items(batch_id, plan.items, store.now())
    await _save_plan(store, batch, plan)


async def _plan(store: Store, batch: Batch) -> BatchPlan:
    segments, music = await store.batches.slots(batch)
    return plan_batch(batch.policy, segments, music, paused=batch.status is BatchStatus.PAUSED)


async def _start_item(store: Store, batch: Batch, asset_id: str) -> None:
    """Admits a run of the asset. If it is refused, the item records why."""
    asset = await store.assets.lock(asset_id)
    if asset is None or asset.active_run_id or asset.committed_version_id:
        return  # another request was faster; the next plan shows it
    base = await store.assets.base_of(asset_id)
    spec = RunSpec(
        asset=asset,
        base=base,
        actor=batch.actor,
        review_timeout_s=batch.review_timeout_s,
        parameters=run_parameters(RunParameters(), {}, asset, base, None),
        auto_approve=batch.policy.approves(asset.kind),
        batch_id=batch.batch_id,
        correlation_id=batch.correlation_id,
    )
    try:
        await check_run(store, spec)
    except AwaitsCommit:
        return  # its commit wakes the batch
    except Refusal as e:
        problem = {"code": e.slug, "cause": e.cause, "recovery": e.recovery}
        await store.batches.refuse(batch.batch_id, asset_id, problem, store.now())
        return
    await admit_run(store, spec)


async def _save_plan(store: Store, batch: Batch, plan: BatchPlan) -> None:
    """Saves the batch as planned; a batch that renders a film requests it when everything is committed."""
    changes: dict[str, Any] = {}
    if plan.status is BatchStatus.FAILED:
        changes["error"] = _segments_left(plan)
    if plan.status is BatchStatus.COMPLETED and batch.compile is not None:
        changes |= await _request_film(store, batch)
    status = BatchStatus.FAILED if changes.get("error") else plan.status
    await save_progress(store, batch, status, plan.counts, **changes)


def _segments_left(plan: BatchPlan) -> dict[str, Any]:
    items = [{"asset_id": asset_id, **dict(item.problem)} for asset_id, item in plan.items.items() if item.problem]
    text = problem_text("segments_left", failed=plan.counts.failed, total=plan.counts.total)
    return {"code": "segments_left", **text._asdict(), "retryable": True, "items": items}


async def _request_film(store: Store, batch: Batch) -> dict[str, Any]:
    """Returns the columns to save: the compilation, or the error if it is refused."""
    assert batch.compile is not None
    caller = Caller(batch.actor.user_id or "", batch.project_id, batch.owner_id, Role.EDITOR)
    command = compile_from_json(batch.episode_id, batch.compile)
    try:
        film = await compile_episode(
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
    assert isinstance(film, RequestedFilm), "the last try never asks to wait"
    return {"compilation_id": film.compilation_id}


async def save_progress(store: Store, batch: Batch, status: BatchStatus, counts: BatchCounts, **changes: Any) -> None:
    """Saves the batch and informs clients, unless nothing has changed. `changes`: further columns."""
    if (status, counts) == (batch.status, batch.counts) and not changes:
        return
    code, args = _message(status, counts, batch)
    await _save(store, batch, status, counts, code, args, **changes)


async def save_start(store: Store, batch: Batch, total: int) -> None:
    """The first that clients hear of a batch: how many segments it covers."""
    counts = replace(batch.counts, total=total)
    await _save(store, batch, batch.status, counts, "batch.started+batch.total", {"total": total})


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
    ended = {"finished_at": now} if status in ENDED_STATUSES else {}
    updated_at = await store.batches.save(
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
            updated_at,
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
    """Code and arguments of the message that describes the batch."""
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
            args = {"approved": counts.approved, "total": counts.total}
            return _completed_code(counts, compiles=batch.compile is not None), args
        case BatchStatus.FAILED:
            return "batch.failed", {"failed": counts.failed, "total": counts.total}
        case BatchStatus.CANCELLED:
            return "batch.cancelled", {}


def _completed_code(counts: BatchCounts, *, compiles: bool) -> str:
    if not counts.approved:
        return "batch.done"  # only music was generated, or every segment was skipped
    code = "batch.all_approved" if counts.approved == counts.total else "batch.some_approved"
    return code if compiles else f"{code}+batch.ready_to_compile"
