"""A batch starts nothing more until it is resumed; what runs goes on."""

from __future__ import annotations

from services.gateway.commands.log_batch import log_batch
from services.gateway.commands.ports import Caller, Store
from services.gateway.domain.batches import BatchStatus
from services.gateway.domain.errors import invalid_state, not_found

_PAUSABLE = (BatchStatus.RUNNING, BatchStatus.WAITING_REVIEW)


async def pause_batch(store: Store, caller: Caller, batch_id: str) -> None:
    """Raises Refusal not-found, invalid-state."""
    batch = await store.batches.lock(batch_id)
    if batch is None or batch.project_id != caller.project_id:
        raise not_found("batch")
    if batch.status not in _PAUSABLE:
        raise invalid_state("batch", batch.status, _PAUSABLE)
    await log_batch(store, batch, BatchStatus.PAUSED, batch.counts)
