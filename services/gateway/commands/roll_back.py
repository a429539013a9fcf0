"""An earlier accepted version becomes the committed one again, through the same commit as any other."""

from __future__ import annotations

from services.gateway.commands.admit_run import lock_asset
from services.gateway.commands.enter_run import Admitted, RunOrder, enter_run
from services.gateway.commands.ports import Caller, Store
from services.gateway.commands.reopen_run import gone, is_gone
from services.gateway.domain.changes import Wanted
from services.gateway.domain.errors import busy, invalid_state, not_found
from services.gateway.domain.runs import VersionStatus
from shared.contracts.values import ParentReason, RunSource


async def roll_back(store: Store, caller: Caller, version_id: str) -> Admitted:
    """Raises Refusal not-found, invalid-state, gone, busy."""
    version = await store.versions.get(version_id)
    if version is None or version.project_id != caller.project_id:
        raise not_found("version")
    asset = await lock_asset(store, caller, version.asset_id)
    if asset.committed_version_id == version_id:
        raise invalid_state("version", "committed", [VersionStatus.ACCEPTED], "It is the committed one already.")
    if version.status is not VersionStatus.ACCEPTED:
        raise invalid_state("version", version.status, [VersionStatus.ACCEPTED], "Only accepted versions come back.")
    if is_gone(version, store.now()):
        raise gone()
    if asset.active_run_id:
        raise busy(asset.label, asset.active_run_id)
    base = await store.assets.base_of(asset.asset_id)
    return Admitted(
        await enter_run(
            store,
            RunOrder(
                asset=asset,
                base=base,
                actor=caller.actor,
                review_timeout_s=None,
                wanted=Wanted(version.directions),
                source=RunSource.EXISTING,
                auto_approve=True,
                parent_run_id=version.run_id,
                parent_reason=ParentReason.ROLLBACK,
                version_id=version_id,
            ),
        )
    )
