"""Advance a batch and save its progress: its plan is recomputed from its rows under its lock, and runs that may start
are admitted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from services.gateway.commands.films import RequestedFilm, compile_episode, compile_from_json
from services.gateway.commands.run_admission import RunSpec, admit_run, check_run, run_parameters
from services.gateway.commands.stream_events import resource_event
from services.gateway.domain.accounts import Caller, Role
from services.gateway.domain.batch_messages import batch_message, left_problem
from services.gateway.domain.batch_planner import BatchPlan, plan_batch
from services.gateway.domain.batches import ENDED_STATUSES, LIVE_STATUSES, Batch, BatchCounts, BatchStatus
from services.gateway.domain.errors import AwaitsCommit, Refusal
from services.gateway.domain.messages import Message
from services.gateway.domain.run_parameters import RunParameters
from services.gateway.store.unit_of_work import Store
from shared.contracts.messages import message
from shared.core.errors import RetakeError

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


async def fail_batch(store: Store, batch_id: str, error: RetakeError) -> None:
    """Ends a batch that cannot advance, whatever is tried. Its runs and their previews stay."""
    batch = await store.batches.lock(batch_id)
    if batch is None or batch.status not in LIVE_STATUSES:
        return
    problem = {
        "code": error.code,
        "cause": error.cause,
        "recovery": error.recovery or message("problem.unexplained.recovery"),
        "retryable": False,
        "items": [],
    }
    await save_progress(store, batch, BatchStatus.FAILED, batch.counts, error=problem)


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
        await admit_run(store, spec)
    except AwaitsCommit:
        return  # its commit wakes the batch
    except Refusal as e:
        problem = {"code": e.slug, "cause": e.cause, "recovery": e.recovery}
        await store.batches.refuse(batch.batch_id, asset_id, problem, store.now())


async def _save_plan(store: Store, batch: Batch, plan: BatchPlan) -> None:
    """Saves the batch as planned; a batch that renders a film requests it when everything is committed."""
    changes: dict[str, Any] = {}
    if plan.status is BatchStatus.FAILED:
        changes["error"] = left_problem(plan)
    if plan.status is BatchStatus.COMPLETED and batch.compile is not None:
        changes |= await _request_film(store, batch)
    status = BatchStatus.FAILED if changes.get("error") else plan.status
    await save_progress(store, batch, status, plan.counts, plan, **changes)


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


async def save_progress(
    store: Store,
    batch: Batch,
    status: BatchStatus,
    counts: BatchCounts,
    plan: BatchPlan | None = None,
    **changes: Any,
) -> None:
    """Saves the batch and informs clients, unless nothing has changed. `plan` None: a person has paused, resumed or
    cancelled it. `changes`: further columns."""
    failed_segments = plan.failed_segments if plan else batch.failed_segments
    episode = await store.batches.episode_counts(batch.episode_id)
    news = batch_message(status, counts, plan, episode, compiles=batch.compile is not None)
    now_shown = (status, counts, failed_segments, news.code, news.args)
    before = (batch.status, batch.counts, batch.failed_segments, batch.message_code, batch.message_args)
    if now_shown == before and not changes:
        return
    await _save(store, batch, status, counts, failed_segments, news, **changes)


async def save_start(store: Store, batch: Batch, total: int) -> None:
    """The first that clients hear of a batch: how many segments it covers."""
    counts = replace(batch.counts, total=total)
    await _save(store, batch, batch.status, counts, (), Message("batch.started+batch.total", {"total": total}))


async def _save(
    store: Store,
    batch: Batch,
    status: BatchStatus,
    counts: BatchCounts,
    failed_segments: tuple[int, ...],
    news: Message,
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
        failed_segments=list(failed_segments),
        **news.columns(),
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
            news=news,
            actor=batch.actor,
            batch_id=batch.batch_id,
            completed=counts.completed,
            approved=counts.approved,
            failed=counts.failed,
            total=counts.total,
            current_segment=counts.current_segment,
            failed_segments=failed_segments,
        )
    )
