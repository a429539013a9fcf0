"""A run that waited for a verdict and will never be sent ends as cancelled, and says why."""

from __future__ import annotations

from dataclasses import replace

from services.gateway.commands.announce import of_run
from services.gateway.commands.ports import Store
from services.gateway.commands.rows import Run
from services.gateway.domain.runs import Made
from shared.contracts.values import Actor


async def drop_run(store: Store, run: Run, code: str, cause: str) -> None:
    now = store.now()
    track = replace(run.track, made=Made.CANCELLED)
    error = {
        "code": code,
        "cause": cause,
        "recovery": "Start another run if you still want one.",
        "retryable": False,
        "provider_code": None,
    }
    at = await store.runs.save(
        run, track, now, held=False, error=error, finished_at=now, message_code="run.cancelled", message_args={}
    )
    await store.log(of_run("failed", run, track.status, at, cause, Actor(kind="system"), error=error))


async def drop_held(store: Store, parent: Run, cause: str) -> None:
    """The run that waited for the verdict on this one, if there is any."""
    held = await store.runs.lock(parent.holds) if parent.holds else None
    if held and held.held:
        await drop_run(store, held, "preview_accepted", cause)
