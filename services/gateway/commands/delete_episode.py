"""An episode is deleted: the other services bury its assets, its batch ends, its films are stopped."""

from __future__ import annotations

from services.gateway.commands.announce import changed
from services.gateway.commands.log_batch import log_batch
from services.gateway.commands.ports import Caller, Store
from services.gateway.commands.publish_timeline import publish_timeline
from services.gateway.domain.batches import BatchStatus
from services.gateway.domain.errors import not_found


async def delete_episode(store: Store, caller: Caller, episode_id: str) -> None:
    """Raises Refusal not-found."""
    if batch_id := await store.batches.live_of(episode_id):
        batch = await store.batches.lock(batch_id)
        if batch:
            await log_batch(store, batch, BatchStatus.CANCELLED, batch.counts)
    episode = await store.episodes.lock(episode_id)
    if episode is None or episode.project_id != caller.project_id:
        raise not_found("episode")
    assets = await store.episodes.delete(episode_id, store.now())
    await publish_timeline(store, episode, deleted=True, deleted_asset_ids=assets)
    await store.log(changed(caller, episode_id, "episode", episode_id, store.now(), deleted=True))
