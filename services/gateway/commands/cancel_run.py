"""A queued or generating run is cancelled; the generator stops it and says what was already paid."""

from __future__ import annotations

from services.gateway.commands.drop_run import drop_run
from services.gateway.commands.ports import Caller, Store
from services.gateway.commands.rows import Run
from services.gateway.domain.errors import invalid_state, not_found
from services.gateway.domain.runs import CANCELLABLE, RunStatus
from shared.contracts.events.gateway import CancelRequested, CancelTarget
from shared.contracts.values import Actor


async def cancel_run(store: Store, caller: Caller, run_id: str) -> None:
    """Raises Refusal not-found, invalid-state."""
    run = await store.runs.lock(run_id)
    if run is None or run.project_id != caller.project_id:
        raise not_found("run")
    if run.status not in CANCELLABLE:
        how = "Reject the preview instead." if run.status is RunStatus.PREVIEW_READY else "It has ended."
        raise invalid_state("run", run.status, sorted(CANCELLABLE), how)
    await stop_run(store, run, caller.actor)


async def stop_run(store: Store, run: Run, actor: Actor) -> None:
    """A run that was never sent ends here; any other is the generator's to end."""
    if run.held:
        await drop_run(store, run, "cancelled", "It was cancelled before it started.")
        return
    await store.runs.save(run, run.track, store.now(), cancel_requested_at=store.now())
    await store.publish(
        run.project_id,
        run.owner_id,
        CancelRequested(
            target=CancelTarget.RUN, target_id=run.run_id, asset_id=run.asset_id, episode_id=run.episode_id, actor=actor
        ),
    )
