"""From a segment to what is meant: the asset of a kind, or the run whose preview waits."""

from __future__ import annotations

from services.gateway.domain.errors import invalid_state, not_found
from services.gateway.domain.runs import RunStatus
from services.gateway.usecases.ports import Caller, Store
from shared.contracts.values import AssetKind


async def asset_of_segment(store: Store, caller: Caller, segment_id: str, kind: AssetKind) -> str:
    """Raises Refusal not-found."""
    segment = await store.episodes.segment(segment_id)
    if segment is None or segment.project_id != caller.project_id:
        raise not_found("segment")
    asset_id = await store.assets.of_segment(segment_id, kind)
    if asset_id is None:
        raise not_found("asset")
    return asset_id


async def find_waiting_run(store: Store, caller: Caller, segment_id: str) -> str:
    """The segment's video that waits for a decision, or whose decision is known already; else invalid-state."""
    asset_id = await asset_of_segment(store, caller, segment_id, AssetKind.VIDEO)
    newest = await store.runs.newest_shown(asset_id)
    if newest is None:
        raise invalid_state("segment", "pending", [RunStatus.PREVIEW_READY], "There is no preview to decide on.")
    if newest.status is not RunStatus.PREVIEW_READY:
        raise invalid_state("segment", newest.status, [RunStatus.PREVIEW_READY], "There is no preview to decide on.")
    return newest.run_id
