"""A segment is deleted with its assets; the ones after it move up."""

from __future__ import annotations

from services.gateway.commands.announce import changed
from services.gateway.commands.ports import Caller, Store
from services.gateway.commands.publish_timeline import publish_timeline
from services.gateway.domain.errors import not_found


async def delete_segment(store: Store, caller: Caller, segment_id: str) -> None:
    """Raises Refusal not-found."""
    known = await store.episodes.segment(segment_id)
    episode = await store.episodes.lock(known.episode_id) if known else None
    segment = await store.episodes.segment(segment_id)
    if segment is None or episode is None or segment.project_id != caller.project_id:
        raise not_found("segment")
    now = store.now()
    assets = await store.episodes.delete_segment(segment_id, now)
    order = await store.episodes.segment_ids(episode.episode_id)
    await store.episodes.number_segments(episode.episode_id, order, now)
    await store.episodes.save(episode.episode_id, now, order_revision=episode.order_revision + 1)
    await store.episodes.revise(episode.episode_id, "segment_deleted", caller.actor, {"segment_id": segment_id}, now)
    await publish_timeline(store, episode, deleted_asset_ids=assets)
    await store.log(changed(caller, episode.episode_id, "segment", segment_id, now, deleted=True))
    if batch_id := await store.batches.live_of(episode.episode_id):
        await store.wake_batch(batch_id)
