"""The segments get another order; a stale picture of it is refused."""

from __future__ import annotations

from collections.abc import Sequence

from services.gateway.commands.announce import changed
from services.gateway.commands.ports import Caller, Store
from services.gateway.commands.publish_timeline import publish_timeline
from services.gateway.domain.errors import invalid, not_found, stale


async def order_segments(
    store: Store, caller: Caller, episode_id: str, revision: int | None, segment_ids: Sequence[str]
) -> int:
    """Every segment once. Returns the new revision of the order. Raises Refusal not-found, stale, invalid."""
    episode = await store.episodes.lock(episode_id)
    if episode is None or episode.project_id != caller.project_id:
        raise not_found("episode")
    if revision not in (None, episode.order_revision):
        raise stale(episode.order_revision)
    current = await store.episodes.segment_ids(episode_id)
    if sorted(current) != sorted(segment_ids):
        raise invalid(("/segment_ids", "must name every segment of the episode exactly once"))
    now, raised = store.now(), episode.order_revision + 1
    await store.episodes.number_segments(episode_id, segment_ids, now)
    await store.episodes.save(episode_id, now, order_revision=raised)
    await store.episodes.revise(episode_id, "order", caller.actor, {"segment_ids": list(segment_ids)}, now)
    await publish_timeline(store, episode)
    await store.log(changed(caller, episode_id, "order", episode_id, now))
    if batch_id := await store.batches.live_of(episode_id):
        await store.wake_batch(batch_id)
    return raised
