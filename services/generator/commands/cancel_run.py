"""Someone no longer wants a run: stop its work, and say what it cost. A preview is rejected, not cancelled."""

from __future__ import annotations

from datetime import datetime

from services.generator.commands.ports import Runs
from services.generator.domain.problems import cancelled, problem_of
from services.generator.domain.runs import Run, failed
from services.generator.domain.states import WORKING, RunState
from shared.contracts.events.gateway import CancelRequested, CancelTarget
from shared.messaging.events import Message


async def cancel_run(runs: Runs, message: Message[CancelRequested], now: datetime) -> Run | None:
    if message.event.target is not CancelTarget.RUN:
        return None
    run_id, problem = message.event.target_id, problem_of(cancelled())
    run = await runs.end(run_id, RunState.CANCELLED, now, only_from=WORKING, problem=problem)
    if run:
        await runs.stop_work(run_id)
        await runs.publish(run.cause, failed(run, problem))
    elif not await runs.is_known(run_id):
        await runs.park(run_id, message)
    return run
