"""A batch ends: its runs that have not made anything yet are cancelled, previews that wait stay to be decided."""

from __future__ import annotations

from services.gateway.commands.cancel_run import stop_run
from services.gateway.commands.log_batch import log_batch
from services.gateway.commands.ports import Caller, Store
from services.gateway.domain.batches import LIVE, BatchStatus
from services.gateway.domain.errors import invalid_state, not_found
from services.gateway.domain.runs import CANCELLABLE


async def cancel_batch(store: Store, caller: Caller, batch_id: str) -> None:
    """Raises Refusal not-found, invalid-state."""
    batch = await store.batches.lock(batch_id)
    if batch is None or batch.project_id != caller.project_id:
        raise not_found("batch")
    if batch.status not in LIVE:
        raise invalid_state("batch", batch.status, sorted(LIVE))
    for run_id in await store.batches.active_runs(batch_id):
        run = await store.runs.lock(run_id)
        if run and run.status in CANCELLABLE:
            await stop_run(store, run, caller.actor)
    await log_batch(store, batch, BatchStatus.CANCELLED, batch.counts)
