"""Publish an episode's timeline to the other services."""

from __future__ import annotations

from collections.abc import Sequence

from services.gateway.domain.episodes import Episode
from services.gateway.store.unit_of_work import Store
from shared.contracts.events.gateway import EpisodeChanged


async def publish_timeline(
    store: Store, episode: Episode, *, deleted: bool = False, deleted_asset_ids: Sequence[str] = ()
) -> None:
    """The caller has locked the episode, so the versions of its timeline are published in order."""
    version = await store.episodes.raise_timeline_version(episode.episode_id)
    segments, music = await store.episodes.timeline(episode.episode_id)
    await store.publish(
        episode.project_id,
        episode.owner_id,
        EpisodeChanged(
            episode_id=episode.episode_id,
            timeline_version=version,
            deleted=deleted,
            deleted_asset_ids=list(deleted_asset_ids),
            output=episode.output,
            segments=segments,
            music_asset_id=music,
        ),
    )
