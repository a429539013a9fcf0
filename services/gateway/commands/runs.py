"""Start, reopen and cancel runs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from services.gateway.commands.assets import asset_of_segment, lock_asset
from services.gateway.commands.reviews import Decision, record_decision
from services.gateway.commands.run_admission import (
    MAX_VARIANTS,
    AdmittedRun,
    RunSpec,
    StartRun,
    _data,
    admit_run,
    check_run,
    run_parameters,
)
from services.gateway.commands.stream_events import requested_text, run_event
from services.gateway.domain.accounts import Caller
from services.gateway.domain.assets import Asset
from services.gateway.domain.errors import Refusal, busy, invalid, invalid_state, not_found
from services.gateway.domain.event_log import StreamEvent
from services.gateway.domain.runs import CANCELLABLE, GeneratorState, Run, RunStatus
from services.gateway.domain.settings import review_timeout_s
from services.gateway.domain.timestamps import rfc3339
from services.gateway.domain.versions import is_retired, version_gone
from services.gateway.store.unit_of_work import Store
from shared.contracts.events.gateway import CancelRequested, CancelTarget, DecisionAction
from shared.contracts.values import Actor, AssetKind, ParentReason, RunSource


async def send_held_run(store: Store, parent: Run, *, feedback: bool = False) -> bool:
    """The verdict on the parent starts the run that waited for it: it gets the asset's lock. False: there is none.
    `feedback`: the verdict is a rejection that asked for it."""
    held = await store.runs.lock(parent.held_run_id) if parent.held_run_id else None
    if held is None or not held.held:
        return False
    now = store.now()
    await store.assets.hand_over(held.asset_id, parent.run_id, held.run_id, now)
    at = await store.runs.save(held, held.state, now, held=False)
    await store.publish(held.project_id, held.owner_id, held.request)
    text = requested_text(held.request, again=held.asset_committed, feedback=feedback)
    await store.log(
        StreamEvent(
            "regenerate-requested",
            held.project_id,
            held.episode_id,
            _data(held.project_id, held.request, text, rfc3339(at)),
        )
    )
    return True


async def start_run(store: Store, caller: Caller, command: StartRun) -> AdmittedRun:
    """Raises Refusal not-found, busy, invalid, rate-limited, spend-cap-reached."""
    asset = await lock_asset(store, caller, command.asset_id)
    waiting = await _waiting(store, asset)
    base = await store.assets.base_of(asset.asset_id)
    parent = waiting or await store.runs.newest_shown(asset.asset_id)
    order = RunSpec(
        asset=asset,
        base=base,
        actor=caller.actor,
        review_timeout_s=review_timeout_s(base.project.settings),
        parameters=run_parameters(command, asset, base, parent),
        variants=command.variants,
        keep_original=command.keep_original,
        changes=command.changes or None,
        held=waiting is not None,
        run_id=store.new_id(),
        **_parentage(parent),
    )
    if not 1 <= command.variants <= MAX_VARIANTS:
        raise invalid(("/variants", f"must be from 1 to {MAX_VARIANTS}"))
    await check_run(store, order)
    decision_id = None
    if waiting:
        order = replace(order, batch_id=waiting.batch_id, review_timeout_s=waiting.request.review_timeout_s)
        decision_id = await record_decision(
            store,
            waiting,
            Decision(
                action=DecisionAction.REQUEST_REGENERATION,
                version_id=waiting.candidates[0],
                actor=caller.actor,
                suggested_changes=command.changes or None,
                next_run_id=order.run_id,
            ),
        )
    run_id = await admit_run(store, order)
    if batch_id := await store.batches.live_of(asset.episode_id):
        await store.wake_batch(batch_id)
    return AdmittedRun(run_id, decision_id)


def _parentage(parent: Run | None) -> dict[str, Any]:
    """A run after a rejected or failed one says so; any other has no parent."""
    match parent.status if parent else None:
        case RunStatus.REJECTED | RunStatus.PREVIEW_READY:
            reason = ParentReason.REJECTED
        case RunStatus.FAILED:
            reason = ParentReason.RETRY
        case _:
            return {}
    assert parent is not None
    return {"parent_run_id": parent.run_id, "parent_reason": reason}


async def _waiting(store: Store, asset: Asset) -> Run | None:
    """The preview that this request closes, or None if the asset is free; raises busy."""
    if asset.active_run_id is None:
        return None
    active = await store.runs.get(asset.active_run_id)
    if active is None or active.status is not RunStatus.PREVIEW_READY or active.auto_approve or active.held_run_id:
        raise busy(asset.label, asset.active_run_id)
    if await store.reviews.pending(active.run_id):
        raise busy(asset.label, asset.active_run_id)
    return active


async def cancel_run(store: Store, caller: Caller, run_id: str) -> None:
    """Raises Refusal not-found, invalid-state."""
    run = await store.runs.lock(run_id)
    if run is None or run.project_id != caller.project_id:
        raise not_found("run")
    if run.status not in CANCELLABLE:
        how = "Reject the preview instead." if run.status is RunStatus.PREVIEW_READY else "It has ended."
        raise invalid_state("run", run.status, sorted(CANCELLABLE), how)
    await stop_run(store, run, caller.actor)


async def stop_run(store: Store, run: Run, actor: Actor) -> None:
    """A run that was never sent ends here; any other is the generator's to end."""
    if run.held:
        await drop_run(store, run, "cancelled", "It was cancelled before it started.")
        return
    await store.runs.save(run, run.state, store.now(), cancel_requested_at=store.now())
    await store.publish(
        run.project_id,
        run.owner_id,
        CancelRequested(
            target=CancelTarget.RUN, target_id=run.run_id, asset_id=run.asset_id, episode_id=run.episode_id, actor=actor
        ),
    )


async def drop_run(store: Store, run: Run, code: str, cause: str) -> None:
    now = store.now()
    state = replace(run.state, generator=GeneratorState.CANCELLED)
    error = {
        "code": code,
        "cause": cause,
        "recovery": "Start another run if you still want one.",
        "retryable": False,
        "provider_code": None,
    }
    at = await store.runs.save(
        run, state, now, held=False, error=error, finished_at=now, message_code="run.cancelled", message_args={}
    )
    await store.log(run_event("failed", run, state.status, at, cause, Actor(kind="system"), error=error))


async def drop_held_run(store: Store, parent: Run, cause: str) -> None:
    """The run that waited for the verdict on this one, if there is any."""
    held = await store.runs.lock(parent.held_run_id) if parent.held_run_id else None
    if held and held.held:
        await drop_run(store, held, "preview_accepted", cause)


async def reopen_run(store: Store, caller: Caller, run_id: str) -> AdmittedRun:
    """Raises Refusal not-found, invalid-state, busy, gone."""
    run = await store.runs.get(run_id)
    if run is None or run.project_id != caller.project_id:
        raise not_found("run")
    asset = await lock_asset(store, caller, run.asset_id)
    run = await store.runs.get(run_id) or run
    if run.status not in (RunStatus.EXPIRED, RunStatus.REJECTED):
        raise invalid_state("run", run.status, [RunStatus.EXPIRED, RunStatus.REJECTED])
    if asset.active_run_id:
        raise busy(asset.label, asset.active_run_id)
    decided = await store.reviews.decisive(run_id)
    version_id = decided.version_id if decided else next(iter(run.candidates), None)
    version = await store.versions.get(version_id) if version_id else None
    if version is None or is_retired(version, store.now()):
        raise version_gone()
    base = await store.assets.base_of(asset.asset_id)
    return AdmittedRun(
        await admit_run(
            store,
            RunSpec(
                asset=asset,
                base=base,
                actor=caller.actor,
                review_timeout_s=review_timeout_s(base.project.settings),
                parameters=run.parameters,
                source=RunSource.EXISTING,
                parent_run_id=run_id,
                parent_reason=ParentReason.REOPEN,
                version_id=version.version_id,
                batch_id=run.batch_id if run.batch_id == run.live_batch_id else None,
            ),
        )
    )


async def find_waiting_run(store: Store, caller: Caller, segment_id: str) -> str:
    """The run of the segment's video that waits for a decision. Raises Refusal not-found, invalid-state."""
    asset_id = await asset_of_segment(store, caller, segment_id, AssetKind.VIDEO)
    newest = await store.runs.newest_shown(asset_id)
    if newest is None or newest.status is not RunStatus.PREVIEW_READY:
        raise _nothing_waits(newest.status if newest else None)
    return newest.run_id


def _nothing_waits(newest: RunStatus | None) -> Refusal:
    match newest:
        case None:
            cause, recovery = "Nothing has been made of this segment yet.", "Start its generation, then decide."
        case RunStatus.REQUESTED | RunStatus.QUEUED | RunStatus.GENERATING:
            cause, recovery = "The segment's video is still being made.", "Wait for preview-ready, then decide."
        case RunStatus.ACCEPTED | RunStatus.COMPLETE:
            cause, recovery = "The segment's newest video was accepted already.", "Refresh; regenerate it for another."
        case _:
            cause, recovery = f"The segment's newest run is {newest}.", "Refresh; reopen or regenerate it."
    return Refusal(
        "invalid-state",
        f"{cause} No preview waits for a decision.",
        recovery,
        current=newest.value if newest else "pending",
        allowed=[RunStatus.PREVIEW_READY.value],
    )
