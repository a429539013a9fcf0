"""Start, reopen and cancel runs; send or drop the held run that waits for a decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from services.gateway.commands.assets import asset_of_segment, check_free, lock_asset
from services.gateway.commands.reviews import Decision, record_decision
from services.gateway.commands.run_admission import RunSpec, StartedRun, admit_run, check_run, run_parameters
from services.gateway.commands.stream_events import requested_event, requested_message, run_event
from services.gateway.domain.accounts import Caller
from services.gateway.domain.assets import Asset
from services.gateway.domain.errors import AwaitsCommit, Refusal, busy, invalid, invalid_state
from services.gateway.domain.messages import Message
from services.gateway.domain.run_parameters import RunParameters
from services.gateway.domain.runs import CANCELLABLE, GeneratorState, Run, RunStatus
from services.gateway.domain.settings import review_timeout_s
from services.gateway.domain.versions import is_retired, version_gone
from services.gateway.store.unit_of_work import Store
from shared.contracts.events.gateway import CancelRequested, CancelTarget, DecisionAction
from shared.contracts.messages import message, problem_text
from shared.contracts.values import Actor, AssetKind, ParentReason, RunSource

MAX_VARIANTS: Final = 4


@dataclass(frozen=True)
class StartRun:
    """What is left out comes from the draft. `changes` are merged into the parameters of the parent run."""

    asset_id: str
    directions: str | None = None
    model: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    variants: int = 1
    changes: Mapping[str, Any] = field(default_factory=dict)
    keep_original: bool = True


async def start_run(store: Store, caller: Caller, command: StartRun) -> StartedRun:
    """Requests another version of an asset. An asset has one active run; a preview that waits for a decision is
    closed by the request.

    Raises Refusal not-found, busy, invalid, rate-limited, spend-cap-reached.
    """
    spec, waiting = await specify_run(store, caller, command)
    decision_id = None
    if waiting:
        spec = replace(spec, batch_id=waiting.batch_id, review_timeout_s=waiting.request.review_timeout_s)
        decision_id = await _close_preview(store, waiting, spec)
    run_id = await admit_run(store, spec)
    if batch_id := await store.batches.live_batch(spec.asset.episode_id):
        await store.wake_batch(batch_id)
    return StartedRun(run_id, decision_id)


async def specify_run(
    store: Store, caller: Caller, command: StartRun, *, later: bool = False
) -> tuple[RunSpec, Run | None]:
    """The run that may be admitted, and the preview that it closes. `later`: it is not to start now, so that a run at
    work, or a version that is being committed, is no obstacle. Raises Refusal as `start_run` does."""
    asset = await lock_asset(store, caller, command.asset_id)
    waiting = None if later else await _waiting_preview(store, asset)
    base = await store.assets.base_of(asset.asset_id)
    parent = waiting or await store.runs.newest_visible(asset.asset_id)
    requested = RunParameters(command.directions, command.model, command.settings)
    spec = RunSpec(
        asset=asset,
        base=base,
        actor=caller.actor,
        review_timeout_s=review_timeout_s(base.project.settings),
        parameters=run_parameters(requested, command.changes, asset, base, parent),
        variants=command.variants,
        keep_original=command.keep_original,
        changes=command.changes or None,
        held=waiting is not None,
        run_id=store.new_id(),
        **_parentage(parent),
    )
    if not 1 <= command.variants <= MAX_VARIANTS:
        raise invalid(("/variants", f"must be from 1 to {MAX_VARIANTS}"))
    try:
        await check_run(store, spec)
    except AwaitsCommit:
        if not later:
            raise
    return spec, waiting


async def _waiting_preview(store: Store, asset: Asset) -> Run | None:
    """The preview that a request for another run closes; None if the asset is free. Raises Refusal busy."""
    if asset.active_run_id is None:
        return None
    active = await store.runs.get(asset.active_run_id)
    if active is None or active.status in CANCELLABLE:
        raise busy(asset.label, asset.active_run_id)
    decided = active.status is not RunStatus.PREVIEW_READY or active.auto_approve or active.held_run_id
    if decided or await store.reviews.pending(active.run_id):
        raise busy(asset.label, asset.active_run_id, why="deciding")
    return active


def _parentage(parent: Run | None) -> dict[str, Any]:
    """Only a run after a rejected or failed one has a parent."""
    match parent.status if parent else None:
        case RunStatus.REJECTED | RunStatus.PREVIEW_READY:
            reason = ParentReason.REJECTED
        case RunStatus.FAILED:
            reason = ParentReason.RETRY
        case _:
            return {}
    assert parent is not None
    return {"parent_run_id": parent.run_id, "parent_reason": reason}


async def _close_preview(store: Store, preview: Run, next_run: RunSpec) -> str:
    """Returns the id of the decision that closes it."""
    return await record_decision(
        store,
        preview,
        Decision(
            action=DecisionAction.REQUEST_REGENERATION,
            version_id=preview.candidates[0],
            actor=next_run.actor,
            suggested_changes=next_run.changes,
            next_run_id=next_run.run_id,
        ),
    )


async def send_held_run(store: Store, parent: Run, *, feedback: bool = False) -> bool:
    """The parent was decided: the run that waited for it gets the asset's lock and is sent. False: there is none.
    `feedback`: a rejection requested the run."""
    run = await store.runs.lock(parent.held_run_id) if parent.held_run_id else None
    if run is None or not run.held:
        return False
    now = store.now()
    await store.assets.hand_over(run.asset_id, parent.run_id, run.run_id, now)
    news = requested_message(run.request, again=run.asset_committed, feedback=feedback)
    updated_at = await store.runs.save(run, run.state, now, held=False, **news.columns())
    await store.publish(run.project_id, run.owner_id, run.request)
    await store.log(requested_event(run.project_id, run.request, news, updated_at))
    return True


async def drop_held_run(store: Store, parent: Run, cause: str) -> None:
    """The run that waits for the decision on `parent`, if there is one, ends without being sent."""
    run = await store.runs.lock(parent.held_run_id) if parent.held_run_id else None
    if run and run.held:
        await _end_unsent(store, run, "preview_accepted", cause)


async def cancel_run(store: Store, caller: Caller, run_id: str) -> None:
    """Raises Refusal not-found, invalid-state."""
    run = caller.owned(await store.runs.lock(run_id), "run")
    if run.status not in CANCELLABLE:
        waits = run.status is RunStatus.PREVIEW_READY
        recovery = message("problem.uncancellable_preview.recovery" if waits else "problem.uncancellable.recovery")
        raise invalid_state("run", run.status, sorted(CANCELLABLE), recovery)
    await stop_run(store, run, caller.actor)


async def stop_run(store: Store, run: Run, actor: Actor) -> None:
    """A held run ends at once. Any other is ended by the generator, which reports what it has cost."""
    if run.held:
        await _end_unsent(store, run, "cancelled", message("problem.unsent_cancelled"))
        return
    await store.runs.save(run, run.state, store.now(), cancel_requested_at=store.now())
    await store.publish(
        run.project_id,
        run.owner_id,
        CancelRequested(
            target=CancelTarget.RUN, target_id=run.run_id, asset_id=run.asset_id, episode_id=run.episode_id, actor=actor
        ),
    )


async def _end_unsent(store: Store, run: Run, code: str, cause: str) -> None:
    now = store.now()
    state = replace(run.state, generator=GeneratorState.CANCELLED)
    error = {
        "code": code,
        "cause": cause,
        "recovery": message("problem.unsent.recovery"),
        "retryable": False,
        "provider_code": None,
    }
    news = Message("run.failed", {"cause": cause, "recovery": error["recovery"]})
    updated_at = await store.runs.save(run, state, now, held=False, error=error, finished_at=now, **news.columns())
    await store.log(run_event("failed", run, state.status, updated_at, news, Actor(kind="system"), error=error))


async def reopen_run(store: Store, caller: Caller, run_id: str) -> StartedRun:
    """An expired or rejected preview gets a new run and a new deadline; no provider is called again.

    Raises Refusal not-found, invalid-state, busy, gone.
    """
    run = caller.owned(await store.runs.get(run_id), "run")
    asset = await lock_asset(store, caller, run.asset_id)
    run = await store.runs.get(run_id) or run
    if run.status not in (RunStatus.EXPIRED, RunStatus.REJECTED):
        raise invalid_state("run", run.status, [RunStatus.EXPIRED, RunStatus.REJECTED])
    await check_free(store, asset)
    decided = await store.reviews.decisive(run_id)
    version_id = decided.version_id if decided else next(iter(run.candidates), None)
    version = await store.versions.get(version_id) if version_id else None
    if version is None or is_retired(version, store.now()):
        raise version_gone()
    base = await store.assets.base_of(asset.asset_id)
    spec = RunSpec(
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
    )
    return StartedRun(await admit_run(store, spec))


async def approve_although_expired(store: Store, run: Run, deadline: datetime | None) -> bool:
    """A preview has expired while an approval of it, submitted in time, waited to be sent: a new run commits the
    approved version. The caller has locked the run. False: there is none, or the version is gone."""
    approval = await store.reviews.pending(run.run_id)
    if approval is None or approval.action is not DecisionAction.APPROVE or not approval.was_in_time(deadline):
        return False
    asset = await store.assets.lock(run.asset_id)
    version = await store.versions.get(approval.version_id)
    if asset is None or asset.active_run_id != run.run_id or version is None or is_retired(version, store.now()):
        return False
    await store.assets.release(run.asset_id, run.run_id, store.now())
    spec = RunSpec(
        asset=asset,
        base=await store.assets.base_of(asset.asset_id),
        actor=approval.actor,
        review_timeout_s=None,
        parameters=run.parameters,
        source=RunSource.EXISTING,
        auto_approve=True,
        parent_run_id=run.run_id,
        parent_reason=ParentReason.REOPEN,
        version_id=approval.version_id,
        batch_id=run.live_batch_id if run.batch_id == run.live_batch_id else None,
    )
    await store.reviews.carry_out(approval.review_id, await admit_run(store, spec), store.now())
    return True


async def find_waiting_run(store: Store, caller: Caller, segment_id: str) -> str:
    """The run whose preview of the segment's video waits for a decision. Raises Refusal not-found, invalid-state."""
    return await waiting_run_of(store, await asset_of_segment(store, caller, segment_id, AssetKind.VIDEO))


async def waiting_run_of(store: Store, asset_id: str) -> str:
    """The run of the asset whose preview waits for a decision. Raises Refusal invalid-state."""
    newest = await store.runs.newest_visible(asset_id)
    if newest is None or newest.status is not RunStatus.PREVIEW_READY:
        raise _no_waiting_preview(newest.status if newest else None)
    return newest.run_id


def _no_waiting_preview(newest: RunStatus | None) -> Refusal:
    match newest:
        case None:
            text = problem_text("no_preview_yet")
        case RunStatus.REQUESTED | RunStatus.QUEUED | RunStatus.GENERATING:
            text = problem_text("no_preview_while_generating")
        case RunStatus.ACCEPTED | RunStatus.COMPLETE:
            text = problem_text("no_preview_after_acceptance")
        case _:
            text = problem_text("no_preview", status=newest)
    return Refusal(
        "invalid-state",
        *text,
        current=newest.value if newest else "pending",
        allowed=[RunStatus.PREVIEW_READY.value],
    )
