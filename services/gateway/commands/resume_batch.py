"""A paused batch goes on; one that a rejection holds goes on without the segments that are skipped."""

from __future__ import annotations

from collections.abc import Sequence

from services.gateway.commands.advance_batch import advance_batch
from services.gateway.commands.log_batch import log_batch
from services.gateway.commands.ports import Caller, Store
from services.gateway.commands.rows import Batch
from services.gateway.domain.batches import LIVE, BatchStatus, ItemState, plan
from services.gateway.domain.errors import invalid, invalid_state, not_found


async def resume_batch(
    store: Store, caller: Caller, batch_id: str, start_from: int | None = None, skip: Sequence[str] | bool | None = None
) -> None:
    """`start_from`: segments of the episode before it are skipped. `skip`: segment ids, or True for those that hold
    the batch now. Raises Refusal not-found, invalid-state, invalid."""
    batch = await store.batches.lock(batch_id)
    if batch is None or batch.project_id != caller.project_id:
        raise not_found("batch")
    if batch.status not in LIVE:
        raise invalid_state("batch", batch.status, sorted(LIVE))
    skipped = await _skipped(store, batch, start_from, skip)
    if skipped:
        await store.batches.skip(batch_id, skipped, store.now())
    if batch.status is BatchStatus.PAUSED:
        await log_batch(store, batch, BatchStatus.RUNNING, batch.counts)
    await advance_batch(store, batch_id)


async def _skipped(
    store: Store, batch: Batch, start_from: int | None, skip: Sequence[str] | bool | None
) -> list[str | None]:
    """Segment ids; None stands for the episode's music."""
    order = await store.episodes.segment_ids(batch.episode_id)
    if start_from is not None and not 0 <= start_from <= len(order):
        raise invalid(("/start_from", f"must be from 0 to {len(order)}"))
    found: list[str | None] = [*order[: start_from or 0]]
    if skip is True:
        found += await _holding(store, batch)
    elif skip:
        if strangers := [i for i, segment_id in enumerate(skip) if segment_id not in order]:
            raise invalid(*((f"/skip/{i}", "is not a segment of this episode") for i in strangers))
        found += skip
    return found


async def _holding(store: Store, batch: Batch) -> list[str | None]:
    """Segments (None: the music) with something that waits for a person or was rejected."""
    segments, music = await store.batches.rows(batch)
    items = plan(batch.policy, segments, music).items
    waits = (ItemState.HELD, ItemState.WAITING_REVIEW)
    slots = [(s.segment_id, slot) for s in segments for slot in (s.starting_image, s.video, s.narration)]
    return [segment_id for segment_id, slot in [*slots, (None, music)] if slot and items[slot.asset_id].state in waits]
