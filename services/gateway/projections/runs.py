"""What the generator reports of a run: progress, previews, failure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from services.gateway.commands.runs import drop_held_run
from services.gateway.commands.stream_events import announces_preview, preview_event, preview_of, run_event
from services.gateway.domain.runs import CANCELLABLE, GeneratorState
from services.gateway.domain.versions import version_status
from services.gateway.projections.imports import apply_import_failed, apply_import_progress, import_run_ended
from services.gateway.store.unit_of_work import Store
from shared.contracts.events.generator import Failed, PreviewReady, Progress
from shared.contracts.messages import message
from shared.contracts.values import Actor
from shared.messaging.events import Message


async def apply_progress(store: Store, told: Message[Progress]) -> None:
    event, at = told.event, told.envelope.time
    if event.run_id is None:
        await apply_import_progress(store, told)
        return
    run = await store.runs.lock(event.run_id)
    if run is None:
        return
    track = run.track.hear_generator(GeneratorState(event.state), event.run_rev)
    facts: dict[str, Any] = {}
    if event.settings:
        facts["settings"] = {name: s.model_dump(mode="json") for name, s in event.settings.items()}
    if track == run.track or track.status not in CANCELLABLE:  # late: facts only
        if facts or track != run.track:
            await store.runs.save(run, track, run.updated_at, **facts)
        return
    if track.made is GeneratorState.GENERATING and run.track.made is not GeneratorState.GENERATING:
        facts["started_at"] = at
    moved = await store.runs.save(
        run,
        track,
        at,
        step=event.step,
        percent=event.percent,
        message_code=event.message_code,
        message_args=event.message_args,
        attempt=event.attempt,
        heard_at=at,
        **facts,
    )
    if (event.step, event.attempt, track.made) != (run.step, run.attempt, run.track.made):
        await store.runs.note_step(
            run, event.state, event.step, event.message_code, event.message_args, event.attempt, at
        )
    text = message(event.message_code, **event.message_args)
    await store.log(
        run_event("progress", run, track.status, moved, text, run.actor, step=event.step, percent=event.percent)
    )


async def apply_preview_ready(store: Store, told: Message[PreviewReady]) -> None:
    event, at = told.event, told.envelope.time
    run = await store.runs.lock(event.run_id)
    if run is None:
        return
    track = run.track.hear_generator(GeneratorState.PREVIEW_READY, event.run_rev)
    candidates = [(v, version_status(track, chosen=v.version_id == run.version_id)) for v in event.candidates]
    await store.versions.store(run, candidates, at)
    facts: dict[str, Any] = {
        "candidates": [v.version_id for v in event.candidates],
        "lost": [p.model_dump(mode="json") for p in event.problems],
        "provider": event.candidates[0].provider,
        "settings": {n: s.model_dump(mode="json") for n, s in event.candidates[0].settings.items()},
    }
    if track != run.track:
        facts |= {"cost": event.cost.model_dump(mode="json"), "heard_at": at}
    if track.status.value == GeneratorState.PREVIEW_READY:
        facts |= {"step": "preview_ready", "percent": 100.0, "message_code": f"preview.{run.kind}", "message_args": {}}
    announced = announces_preview(run, track)
    moved = await store.runs.save(run, track, at, announced=run.announced or announced, **facts)
    if track != run.track:
        await store.runs.note_step(run, "preview_ready", "preview_ready", f"preview.{run.kind}", {}, run.attempt, at)
    if announced:
        shown = [preview_of(v.model_dump(mode="json"), event.label) for v in event.candidates]
        await store.log(preview_event(run, track, moved, shown, run.deadline))
    if run.batch_now and not run.auto_approve:
        await store.wake_batch(run.batch_now)


async def apply_failed(store: Store, told: Message[Failed]) -> None:
    event, at = told.event, told.envelope.time
    if event.run_id is None:
        await apply_import_failed(store, told)
        return
    run = await store.runs.lock(event.run_id)
    if run is None:
        return
    track = run.track.hear_generator(GeneratorState(event.outcome), event.run_rev)
    if track.made is run.track.made:
        if (
            track.made is GeneratorState(event.outcome) and event.run_rev > run.track.run_rev
        ):  # it cost something after its end
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
    await drop_held_run(store, run, "The run that it was to follow ended.")
    await store.assets.release(run.asset_id, run.run_id, at)
    await store.log(
        run_event(
            "failed", run, track.status, moved, message(code, **args).strip(), Actor(kind="system"), error=problem
        )
    )
    if run.import_id:
        await import_run_ended(store, run, f"{run.label}: {event.problem.cause}")
    if run.batch_now:
        await store.wake_batch(run.batch_now)
