"""An image beside the film: a poster, a card, a reference."""

from __future__ import annotations

from dataclasses import dataclass

from services.gateway.commands.announce import changed
from services.gateway.commands.ports import Caller, Store
from services.gateway.domain.episodes import NewAsset
from services.gateway.domain.errors import invalid, not_found
from shared.contracts.values import AssetKind


@dataclass(frozen=True)
class AddImageAsset:
    label: str
    segment_id: str | None = None


async def add_image_asset(store: Store, caller: Caller, episode_id: str, command: AddImageAsset) -> str:
    """Returns the asset's id. Raises Refusal not-found, invalid."""
    episode = await store.episodes.lock(episode_id)
    if episode is None or episode.project_id != caller.project_id:
        raise not_found("episode")
    if command.segment_id is not None:
        segment = await store.episodes.segment(command.segment_id)
        if segment is None or segment.episode_id != episode_id:
            raise invalid(("/segment_id", "is not a segment of this episode"))
    now, asset = store.now(), NewAsset(store.new_id(), AssetKind.IMAGE, command.label)
    await store.assets.insert(episode, command.segment_id, [asset], now)
    await store.log(changed(caller, episode_id, "asset", asset.asset_id, now))
    return asset.asset_id
