"""From a segment to what is meant: the asset of a kind, or the run whose preview waits."""

from __future__ import annotations

from services.gateway.commands.ports import Caller, Store
from services.gateway.domain.errors import Refusal, not_found
from services.gateway.domain.runs import RunStatus
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
