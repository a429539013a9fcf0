"""The deletion of assets: their active runs end, and later requests for them fail until the assets are restored."""

from __future__ import annotations

from datetime import datetime

from services.generator.domain.problems import asset_deleted, problem_of
from services.generator.domain.runs import Run, failed
from services.generator.domain.states import RunState
from services.generator.store.runs import RunRepository
from shared.contracts.events.gateway import EpisodeChanged
from shared.messaging.events import Message


async def delete_assets(runs: RunRepository, message: Message[EpisodeChanged], now: datetime) -> list[Run]:
    """Returns the runs that it cancelled."""
    change = message.event
    if not change.deleted and not change.deleted_asset_ids:
        return []  # absence from the timeline deletes nothing
    ended = []
    problem = problem_of(asset_deleted())
    episode_id = change.episode_id if change.deleted else None
    for run_id in await runs.tombstone_assets(change.deleted_asset_ids, episode_id, now):
        run = await runs.end(run_id, RunState.CANCELLED, now, problem=problem)
        if run:
            await runs.stop_work(run_id)
            await runs.publish(run.cause, failed(run, problem))
            ended.append(run)
    return ended


async def restore_assets(runs: RunRepository, message: Message[EpisodeChanged]) -> None:
    """The versions of deleted assets are kept as before their deletion. The events of an episode arrive in order."""
    if message.event.restored_asset_ids:
        await runs.restore_assets(message.event.restored_asset_ids)
