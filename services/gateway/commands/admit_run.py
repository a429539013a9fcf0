"""Somebody wants another version of an asset: one active run per asset; a waiting preview is closed by asking."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Final

from services.gateway.commands.check_quotas import check_quotas
from services.gateway.commands.enter_run import Admitted, RunOrder, enter_run
from services.gateway.commands.ports import Caller, Store
from services.gateway.commands.record_decision import Decision, record_decision
from services.gateway.commands.rows import Run, RunBase
from services.gateway.domain.changes import DIRECTIONS, MODIFICATIONS, Wanted, changed, wrong_types
from services.gateway.domain.episodes import Asset
from services.gateway.domain.errors import Refusal, busy, invalid, not_found
from services.gateway.domain.models import model_of, problems_of
from services.gateway.domain.runs import RunStatus
from services.gateway.domain.settings import cap_of, review_timeout_s, snapshot
from shared.contracts.events.gateway import DecisionAction
from shared.contracts.values import AssetKind, ParentReason, RunSource

MAX_VARIANTS: Final = 4


@dataclass(frozen=True)
class StartRun:
    """What is left out comes from the draft. `changes` are merged into what the parent run was asked for."""

    asset_id: str
    directions: str | None = None
    model: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    variants: int = 1
    changes: Mapping[str, Any] = field(default_factory=dict)
    keep_original: bool = True


async def admit_run(store: Store, caller: Caller, command: StartRun) -> Admitted:
    """Raises Refusal not-found, busy, invalid, rate-limited, spend-cap-reached."""
    asset = await lock_asset(store, caller, command.asset_id)
    waiting = await _waiting(store, asset)
    base = await store.assets.base_of(asset.asset_id)
    parent = waiting or await store.runs.newest_shown(asset.asset_id)
    order = RunOrder(
        asset=asset,
        base=base,
        actor=caller.actor,
        review_timeout_s=review_timeout_s(base.project.settings),
        wanted=wanted_of(command, asset, base, parent),
        variants=command.variants,
        keep_original=command.keep_original,
        changes=command.changes or None,
        held=waiting is not None,
        run_id=store.new_id(),
        **_parentage(parent),
    )
    if not 1 <= command.variants <= MAX_VARIANTS:
        raise invalid(("/variants", f"must be from 1 to {MAX_VARIANTS}"))
    await check_order(store, order)
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
    run_id = await enter_run(store, order)
    if batch_id := await store.batches.live_of(asset.episode_id):
        await store.wake_batch(batch_id)
    return Admitted(run_id, decision_id)


async def lock_asset(store: Store, caller: Caller, asset_id: str) -> Asset:
    asset = await store.assets.lock(asset_id)
    if asset is None or asset.project_id != caller.project_id:
        raise not_found("asset")
    return asset


async def check_order(store: Store, order: RunOrder, *, changes_in: str = "/changes") -> None:
    """What can be refused before anything is paid. `changes_in` as for `wanted_of`."""
    base, kind = order.base, order.asset.kind
    asked = order.wanted.directions
    has_text = asked.strip() if asked else base.committed and base.committed.directions.strip()
    if not has_text:
        problem = "must not be blank" if asked else "there are none: neither here, nor in the draft, nor committed ones"
        raise invalid((f"/{DIRECTIONS}", problem))
    project = snapshot(base.project.settings, base.output, {})
    existing = base.committed.model if base.committed else None
    model = model_of(kind, order.wanted.model, project, existing, store.catalogue, store.default_provider)
    if problems := problems_of(order.wanted, model, kind, store.catalogue):
        raise invalid(*((_sent_as(pointer, order.changes or {}, changes_in), problem) for pointer, problem in problems))
    await check_quotas(store, order.actor, order.variants)
    await check_spending(store, base)


def _sent_as(pointer: str, changes: Mapping[str, Any], changes_in: str) -> str:
    """Where the request has what is wrong: among its changes, or where its settings are."""
    name = pointer.rpartition("/")[2]
    return f"{changes_in}/{name}" if name in changes else pointer


async def check_spending(store: Store, base: RunBase) -> None:
    """By what the gateway knows of; the generator reserves and decides."""
    capped = cap_of(base.project.settings, store.now())
    if capped is None:
        return
    cap, since = capped
    spent = await store.projects.spent(base.project.project_id, since, cap.currency)
    if spent >= Decimal(cap.amount):
        raise Refusal(
            "spend-cap-reached",
            "The project has spent what it may.",
            "An owner can raise the cap.",
            cap=cap.model_dump(),
            spent={"amount": str(spent), "currency": cap.currency},
        )


def wanted_of(
    command: StartRun, asset: Asset, base: RunBase, parent: Run | None, *, changes_in: str = "/changes"
) -> Wanted:
    """The request, over the parent run (if it asks for changes) or the draft; a video's duration from its segment.
    `changes_in` is where the request has its changes: what is wrong there is pointed at."""
    asked = Wanted(command.directions, command.model, command.settings)
    draft = Wanted.of_draft(asset.draft)
    if command.changes:
        if problems := wrong_types(command.changes):
            raise invalid(*((f"{changes_in}/{name}", problem) for name, problem in problems))
        asked = changed(asked.over(_base_of_changes(parent, draft, base, command.changes)), command.changes)
    else:
        asked = asked.over(draft)
    if asset.kind is AssetKind.VIDEO and base.segment_duration is not None and "duration" not in asked.settings:
        asked = replace(asked, settings={**asked.settings, "duration": base.segment_duration})
    return asked


def _base_of_changes(parent: Run | None, draft: Wanted, base: RunBase, changes: Mapping[str, Any]) -> Wanted:
    """The parent run (rejected or waiting), else the draft, else the committed version."""
    builds_on = (RunStatus.REJECTED, RunStatus.PREVIEW_READY)
    if parent and parent.status in builds_on and parent.source in (RunSource.GENERATE, RunSource.EXISTING):
        found = parent.wanted
        return found if found.directions else found.over(draft)
    if not draft.directions and base.committed and MODIFICATIONS in changes:
        return draft.over(Wanted(base.committed.directions))
    return draft


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
    if active is None or active.status is not RunStatus.PREVIEW_READY or active.auto_approve or active.holds:
        raise busy(asset.label, asset.active_run_id)
    if await store.reviews.pending(active.run_id):
        raise busy(asset.label, asset.active_run_id)
    return active
