"""A run or an import failed or was cancelled; the asset is free again."""

from __future__ import annotations

from dataclasses import replace

from services.gateway.commands.announce import of_run
from services.gateway.commands.drop_run import drop_held
from services.gateway.commands.ports import Store
from services.gateway.domain.runs import Made
from services.gateway.projections.apply_import import apply_import_failed, import_run_ended
from shared.contracts.events.generator import Failed
from shared.contracts.messages import message
from shared.contracts.values import Actor
from shared.messaging.events import Message


async def apply_failed(store: Store, told: Message[Failed]) -> None:
    event, at = told.event, told.envelope.time
    if event.run_id is None:
        await apply_import_failed(store, told)
        return
    run = await store.runs.lock(event.run_id)
    if run is None:
        return
    track = run.track.hear_generator(Made(event.outcome), event.run_rev)
    if track.made is run.track.made:
        if track.made is Made(event.outcome) and event.run_rev > run.track.run_rev:  # it cost something after its end
            cost = event.cost.model_dump(mode="json")
            await store.runs.save(run, replace(run.track, run_rev=event.run_rev), at, cost=cost)
        return
    problem = event.problem.model_dump(mode="json")
    code = "run.cancelled" if event.outcome == "cancelled" else "run.failed"
    args = {"cause": event.problem.cause, "recovery": event.problem.recovery}
    moved = await store.runs.save(
        run,
        track,
        at,
        step=event.step,
        attempt=event.attempts or run.attempt,
        error=problem,
        cost=event.cost.model_dump(mode="json"),
        message_code=code,
        message_args=args,
        heard_at=at,
        finished_at=at,
    )
    await store.runs.note_step(run, event.outcome, event.step, code, args, event.attempts, at)
    await store.versions.close(run, track, None, at)
    await drop_held(store, run, "The run that it was to follow ended.")
    await store.assets.release(run.asset_id, run.run_id, at)
    await store.log(
        of_run("failed", run, track.status, moved, message(code, **args).strip(), Actor(kind="system"), error=problem)
    )
    if run.import_id:
        await import_run_ended(store, run, f"{run.label}: {event.problem.cause}")
    if run.batch_now:
        await store.wake_batch(run.batch_now)
