"""Assets were deleted: their active runs end, and later requests for them fail."""

from __future__ import annotations

from datetime import datetime

from services.generator.commands.ports import Runs
from services.generator.domain.problems import asset_deleted, problem_of
from services.generator.domain.runs import Run, failed
from services.generator.domain.states import RunState
from shared.contracts.events.gateway import EpisodeChanged
from shared.messaging.events import Message


async def delete_assets(runs: Runs, message: Message[EpisodeChanged], now: datetime) -> list[Run]:
    change = message.event
    if not change.deleted and not change.deleted_asset_ids:
        return []  # absence from the timeline deletes nothing
    ended = []
    problem = problem_of(asset_deleted())
    for run_id in await runs.bury(change.deleted_asset_ids, change.episode_id if change.deleted else None, now):
        run = await runs.end(run_id, RunState.CANCELLED, now, problem=problem)
        if run:
            await runs.stop_work(run_id)
            await runs.publish(run.cause, failed(run, problem))
            ended.append(run)
    return ended
