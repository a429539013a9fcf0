"""An expired or rejected preview gets a new run and a new deadline, without asking a provider again."""

from __future__ import annotations

from datetime import datetime

from services.gateway.commands.admit_run import lock_asset
from services.gateway.commands.enter_run import Admitted, RunOrder, enter_run
from services.gateway.commands.ports import Caller, Store
from services.gateway.commands.rows import VersionRow
from services.gateway.domain.errors import Refusal, busy, invalid_state, not_found
from services.gateway.domain.runs import RunStatus
from services.gateway.domain.settings import review_timeout_s
from shared.contracts.retention import CLOSED_KEPT
from shared.contracts.values import ParentReason, RunSource


async def reopen_run(store: Store, caller: Caller, run_id: str) -> Admitted:
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
    if version is None or is_gone(version, store.now()):
        raise gone()
    base = await store.assets.base_of(asset.asset_id)
    return Admitted(
        await enter_run(
            store,
            RunOrder(
                asset=asset,
                base=base,
                actor=caller.actor,
                review_timeout_s=review_timeout_s(base.project.settings),
                wanted=run.wanted,
                source=RunSource.EXISTING,
                parent_run_id=run_id,
                parent_reason=ParentReason.REOPEN,
                version_id=version.version_id,
                batch_id=run.batch_id if run.batch_id == run.batch_now else None,
            ),
        )
    )


def is_gone(version: VersionRow, now: datetime) -> bool:
    """Retention let it go, or may have."""
    return version.retired_at is not None or (version.closed_at is not None and version.closed_at < now - CLOSED_KEPT)


def gone() -> Refusal:
    return Refusal("gone", "This version was deleted by retention.", "Regenerate it.")
