"""A batch goes on: recomputed from the rows as they are, under the batch's lock; what may start is admitted."""

from __future__ import annotations

from typing import Any, Final

from services.gateway.commands.admit_run import StartRun, check_order, wanted_of
from services.gateway.commands.compile_episode import Compiled, compile_episode, compile_from_json
from services.gateway.commands.enter_run import RunOrder, enter_run
from services.gateway.commands.log_batch import log_batch
from services.gateway.commands.ports import Caller, Store
from services.gateway.commands.rows import Batch
from services.gateway.domain.batches import LIVE, BatchStatus, Plan, plan
from services.gateway.domain.errors import Refusal
from services.gateway.domain.roles import Role

ROUNDS: Final = 3
"""A refused item may free its successor at once: then the plan is made again. More rounds wait for the next call."""


async def advance_batch(store: Store, batch_id: str) -> None:
    """Harmless at any time, any number of times. Starting an item may leave it and free another, so it looks again."""
    batch = await store.batches.lock(batch_id)
    if batch is None or batch.status not in LIVE:
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
    order = RunOrder(
        asset=asset,
        base=base,
        actor=batch.actor,
        review_timeout_s=batch.review_timeout_s,
        wanted=wanted_of(StartRun(asset_id), asset, base, None),
        auto_approve=batch.policy.approves(asset.kind),
        batch_id=batch.batch_id,
        correlation_id=batch.correlation_id,
    )
    try:
        await check_order(store, order)
    except Refusal as e:
        await store.batches.refuse(
            batch.batch_id, asset_id, {"code": e.slug, "cause": e.cause, "recovery": e.recovery}, store.now()
        )
        return
    await enter_run(store, order)


async def _settle(store: Store, batch: Batch, step: Plan) -> None:
    """The batch's own row, what clients hear of it, and the film of a `render` at its end."""
    changes: dict[str, Any] = {}
    if step.status is BatchStatus.FAILED:
        changes["error"] = _left(step)
    if step.status is BatchStatus.COMPLETED and batch.compile is not None:
        changes |= await _compile(store, batch)
    status = BatchStatus.FAILED if changes.get("error") else step.status
    await log_batch(store, batch, status, step.counts, **changes)


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
    assert isinstance(compiled, Compiled), "the last try answers"
    return {"compilation_id": compiled.compilation_id}
