"""The episode of a film that could not be split, or was not to be: nothing is in it, so it goes."""

from __future__ import annotations

from services.gateway.commands.announce import of_thing
from services.gateway.commands.ports import Store
from services.gateway.commands.publish_timeline import publish_timeline
from services.gateway.commands.rows import Import
from shared.contracts.values import Actor


async def withdraw_import(store: Store, row: Import, actor: Actor) -> None:
    """What a person has added meanwhile keeps it."""
    if row.source != "film" or row.clips_taken:
        return
    episode = await store.episodes.lock(row.episode_id)
    if episode is None or await store.episodes.segment_ids(row.episode_id):
        return
    now = store.now()
    assets = await store.episodes.delete(row.episode_id, now)
    await publish_timeline(store, episode, deleted=True, deleted_asset_ids=assets)
    await store.log(
        of_thing(
            "changed",
            row.project_id,
            row.episode_id,
            now,
            actor=actor,
            resource="episode",
            id=row.episode_id,
            deleted=True,
        )
    )
