"""A preview was rejected, expired or withdrawn: its run ends, and nothing that is committed changes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from services.generator.commands.ports import Runs
from services.generator.domain.problems import asset_deleted, problem_of
from services.generator.domain.runs import Run, failed
from services.generator.domain.states import RunState
from shared.contracts.events.review import Rejected, ReviewChange, ReviewUpdated
from shared.messaging.events import Message


async def close_rejected(runs: Runs, message: Message[Rejected], now: datetime) -> Run | None:
    return await _close(runs, message, RunState.REJECTED, now)


async def close_reviewed(runs: Runs, message: Message[ReviewUpdated], now: datetime) -> Run | None:
    match message.event.change:
        case ReviewChange.EXPIRED:
            return await _close(runs, message, RunState.EXPIRED, now)
        case ReviewChange.WITHDRAWN:
            problem = problem_of(asset_deleted())
            run = await runs.end(message.event.run_id, RunState.CANCELLED, now, problem=problem)
            if run:
                await runs.stop_work(run.run_id)
                await runs.publish(run.cause, failed(run, problem))
            return run
        case ReviewChange.OPENED | ReviewChange.REFUSED:
            return None


async def _close(runs: Runs, message: Message[Any], state: RunState, now: datetime) -> Run | None:
    run_id = message.event.run_id
    run = await runs.end(run_id, state, now)
    if run is None and not await runs.is_known(run_id):
        await runs.park(run_id, message)
    return run
