"""The generator works on a run, or on an import."""

from __future__ import annotations

from typing import Any

from services.gateway.commands.announce import of_run
from services.gateway.commands.ports import Store
from services.gateway.domain.runs import CANCELLABLE, Made
from services.gateway.projections.apply_import import apply_import_progress
from shared.contracts.events.generator import Progress
from shared.contracts.messages import message
from shared.messaging.events import Message


async def apply_progress(store: Store, told: Message[Progress]) -> None:
    event, at = told.event, told.envelope.time
    if event.run_id is None:
        await apply_import_progress(store, told)
        return
    run = await store.runs.lock(event.run_id)
    if run is None:
        return
    track = run.track.hear_generator(Made(event.state), event.run_rev)
    facts: dict[str, Any] = {}
    if event.settings:
        facts["settings"] = {name: s.model_dump(mode="json") for name, s in event.settings.items()}
    if track == run.track or track.status not in CANCELLABLE:  # late: facts only
        if facts or track != run.track:
            await store.runs.save(run, track, run.updated_at, **facts)
        return
    if track.made is Made.GENERATING and run.track.made is not Made.GENERATING:
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
        of_run("progress", run, track.status, moved, text, run.actor, step=event.step, percent=event.percent)
    )
