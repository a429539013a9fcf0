"""Publish an episode's timeline to the other services."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from services.gateway.domain.episodes import Episode
from services.gateway.store.unit_of_work import Store
from shared.contracts.events.gateway import EpisodeChanged

IDS_AT_ONCE: Final = 5000


async def publish_timeline(
    store: Store,
    episode: Episode,
    *,
    deleted: bool = False,
    deleted_asset_ids: Sequence[str] = (),
    restored_asset_ids: Sequence[str] = (),
) -> None:
    """The caller has locked the episode, so the versions of its timeline are published in order.

    An episode can have any number of images: the ids of many deleted or restored assets are published in portions.
    """
    version = await store.episodes.raise_timeline_version(episode.episode_id)
    segments, music = await store.episodes.timeline(episode.episode_id)
    for first in range(0, max(1, len(deleted_asset_ids), len(restored_asset_ids)), IDS_AT_ONCE):
        event = EpisodeChanged(
            episode_id=episode.episode_id,
            timeline_version=version,
            deleted=deleted,
            deleted_asset_ids=list(deleted_asset_ids[first : first + IDS_AT_ONCE]),
            restored_asset_ids=list(restored_asset_ids[first : first + IDS_AT_ONCE]),
            output=episode.output,
            segments=segments,
            music_asset_id=music,
        )
        await store.publish(episode.project_id, episode.owner_id, event)
