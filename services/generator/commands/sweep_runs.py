"""No run stays at work for ever: those that lost their job get a new one, those that are too old end."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import structlog

from services.generator.commands.ports import Sweeps
from services.generator.domain.problems import problem_of, too_old
from services.generator.domain.runs import Run, failed, progress
from services.generator.domain.states import WORKING, RunState

log = structlog.get_logger(__name__)

JOBLESS_FOR: Final = timedelta(seconds=30)
LIMIT: Final = 100


async def requeue_jobless(sweeps: Sweeps, now: datetime) -> int:
    found = await sweeps.jobless(now - JOBLESS_FOR, LIMIT)
    for run, lane in found:
        log.warning("run.requeued", run_id=run.run_id, state=run.state)
        await sweeps.enqueue(run, lane)
    return len(found)


async def tell_held_back(sweeps: Sweeps, now: datetime) -> int:
    """Who waits for a provider's limit is told so, once."""
    found = await sweeps.hold_back(now, LIMIT)
    for run, limit in found:
        log.info("run.held_back", run_id=run.run_id, limit=limit)
        await sweeps.publish(run.cause, progress(run, percent=0, code="run.waiting_limit", args={"limit": limit}))
    return len(found)


async def end_overdue(sweeps: Sweeps, now: datetime, *, queued_for: timedelta, generating_for: timedelta) -> list[Run]:
    ended = []
    for run in await sweeps.overdue(now - queued_for, now - generating_for, LIMIT):
        limit = queued_for if run.state is RunState.QUEUED else generating_for
        problem = problem_of(too_old(limit.total_seconds() / 3600, run.state))
        last = await sweeps.end(run.run_id, RunState.FAILED, now, only_from=WORKING, problem=problem)
        if last:
            await sweeps.stop_work(run.run_id)
            await sweeps.publish(last.cause, failed(last, problem))
            ended.append(last)
    return ended
