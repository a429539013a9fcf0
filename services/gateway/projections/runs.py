"""What the generator reports of a run: progress, previews and failure. Commits are in `versions.py`."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from services.gateway.commands.runs import drop_held_run
from services.gateway.commands.stream_events import preview_event, preview_message, preview_of, run_event
from services.gateway.domain.messages import Message
from services.gateway.domain.runs import CANCELLABLE, GeneratorState, Run
from services.gateway.domain.versions import version_status
from services.gateway.projections.imports import apply_import_failed, apply_import_progress, import_run_ended
from services.gateway.store.unit_of_work import Store
from shared.contracts.events.generator import Failed, PreviewReady, Progress
from shared.contracts.messages import message
from shared.contracts.values import Actor


async def apply_progress(store: Store, event: Progress, at: datetime) -> None:
    if event.run_id is None:
        await apply_import_progress(store, event, at)
        return
    run = await store.runs.lock(event.run_id)
    if run is None:
        return
    state = run.state.apply_generator(GeneratorState(event.state), event.run_rev)
    changes: dict[str, Any] = {}
    if event.settings:
        changes["settings"] = {name: s.model_dump(mode="json") for name, s in event.settings.items()}
    if state == run.state or state.status not in CANCELLABLE:  # the event is late: only its facts are kept
        if changes or state != run.state:
            await store.runs.save(run, state, run.updated_at, **changes)
        return
    if state.generator is GeneratorState.GENERATING and run.state.generator is not GeneratorState.GENERATING:
        changes["started_at"] = at
    updated_at = await store.runs.save(
        run,
        state,
        at,
        step=event.step,
        percent=event.percent,
        message_code=event.message_code,
        message_args=event.message_args,
        attempt=event.attempt,
        heard_at=at,
        **changes,
    )
    if (event.step, event.attempt, state.generator) != (run.step, run.attempt, run.state.generator):
        await store.runs.add_step(
            run, event.state, event.step, event.message_code, event.message_args, event.attempt, at
        )
    news = Message(event.message_code, event.message_args)
    await store.log(
        run_event("progress", run, state.status, updated_at, news, run.actor, step=event.step, percent=event.percent)
    )


async def apply_preview_ready(store: Store, event: PreviewReady, at: datetime) -> None:
    """Clients hear of the preview only when its review is open too, because nobody can decide before that."""
    run = await store.runs.lock(event.run_id)
    if run is None:
        return
    state = run.state.apply_generator(GeneratorState.PREVIEW_READY, event.run_rev)
    candidates = [(v, version_status(state, chosen=v.version_id == run.version_id)) for v in event.candidates]
    await store.versions.store(run, candidates, at)
    changes: dict[str, Any] = {
        "candidates": [v.version_id for v in event.candidates],
        "lost": [p.model_dump(mode="json") for p in event.problems],
        "provider": event.candidates[0].provider,
        "settings": {n: s.model_dump(mode="json") for n, s in event.candidates[0].settings.items()},
    }
    news = preview_message(run)
    if state != run.state:
        changes |= {"cost": event.cost.model_dump(mode="json"), "heard_at": at}
    if state.status.value == GeneratorState.PREVIEW_READY:
        changes |= {"step": "preview_ready", "percent": 100.0, **news.columns()}
    announces = run.announces_preview(state)
    updated_at = await store.runs.save(run, state, at, announced=run.announced or announces, **changes)
    if state != run.state:
        await store.runs.add_step(run, "preview_ready", "preview_ready", news.code, news.args, run.attempt, at)
    if announces:
        versions = [preview_of(v.model_dump(mode="json"), event.label) for v in event.candidates]
        await store.log(preview_event(run, state, updated_at, versions, run.deadline))
    if run.live_batch_id and not run.auto_approve:
        await store.wake_batch(run.live_batch_id)


async def apply_failed(store: Store, event: Failed, at: datetime) -> None:
    """A run or an import failed or was cancelled; the asset of a run is free again."""
    if event.run_id is None:
        await apply_import_failed(store, event, at)
        return
    run = await store.runs.lock(event.run_id)
    if run is None:
        return
    outcome = GeneratorState(event.outcome)
    state = run.state.apply_generator(outcome, event.run_rev)
    if state.generator is run.state.generator:
        if state.generator is outcome and event.run_rev > run.state.run_rev:
            await _save_late_cost(store, run, event, at)
        return
    problem = event.problem.model_dump(mode="json")
    code = "run.cancelled" if event.outcome == "cancelled" else "run.failed"
    args = {"cause": event.problem.cause, "recovery": event.problem.recovery}
    updated_at = await store.runs.save(
        run,
        state,
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
    await store.runs.add_step(run, event.outcome, event.step, code, args, event.attempts, at)
    await store.versions.close(run, state, None, at)
    await drop_held_run(store, run, message("problem.unsent_parent_ended"))
    await store.assets.release(run.asset_id, run.run_id, at)
    news = Message(code, args)
    await store.log(run_event("failed", run, state.status, updated_at, news, Actor(kind="system"), error=problem))
    if run.import_id:
        await import_run_ended(store, run, f"{run.label}: {event.problem.cause}")
    if run.live_batch_id:
        await store.wake_batch(run.live_batch_id)


async def _save_late_cost(store: Store, run: Run, event: Failed, at: datetime) -> None:
    """A provider may charge for a run after it has ended."""
    state = replace(run.state, run_rev=event.run_rev)
    await store.runs.save(run, state, at, cost=event.cost.model_dump(mode="json"))
