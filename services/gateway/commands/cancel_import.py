"""An import is cancelled: the film is split no further, and its runs that still wait are cancelled."""

from __future__ import annotations

from services.gateway.commands.announce import of_thing
from services.gateway.commands.cancel_run import stop_run
from services.gateway.commands.ports import Caller, Store
from services.gateway.commands.withdraw_import import withdraw_import
from services.gateway.domain.errors import invalid_state, not_found
from services.gateway.domain.runs import CANCELLABLE
from shared.contracts.events.gateway import CancelRequested, CancelTarget


async def cancel_import(store: Store, caller: Caller, import_id: str) -> None:
    """Raises Refusal not-found, invalid-state."""
    found = [await store.runs.lock(run_id) for run_id in await store.imports.active_runs(import_id)]
    row = await store.imports.lock(import_id)
    if row is None or row.project_id != caller.project_id:
        raise not_found("import")
    if row.status not in ("pending", "processing"):
        raise invalid_state("import", row.status, ["pending", "processing"])
    now = store.now()
    await store.imports.save(import_id, now, status="cancelled", cancel_requested_at=now)
    for run in found:
        if run and run.status in CANCELLABLE:
            await stop_run(store, run, caller.actor)
    if row.source == "film":
        await store.publish(
            row.project_id,
            row.owner_id,
            CancelRequested(
                target=CancelTarget.IMPORT, target_id=import_id, episode_id=row.episode_id, actor=caller.actor
            ),
        )
    await store.log(
        of_thing(
            "failed",
            row.project_id,
            row.episode_id,
            now,
            status="cancelled",
            actor=caller.actor,
            import_id=import_id,
            error=None,
        )
    )
    await withdraw_import(store, row, caller.actor)
