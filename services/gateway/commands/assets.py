"""Drafts of assets, and images that belong to no segment's film."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.gateway.commands.stream_events import changed_event
from services.gateway.domain.accounts import Caller
from services.gateway.domain.assets import MAX_DIRECTIONS, Asset, Draft, NewAsset
from services.gateway.domain.errors import invalid, not_found, stale
from services.gateway.store.unit_of_work import Store
from shared.contracts.values import AssetKind


async def save_draft(
    store: Store,
    caller: Caller,
    asset_id: str,
    revision: int | None,
    directions: str | None,
    settings: Mapping[str, Any],
) -> None:
    """Replaces the draft. Raises Refusal not-found, stale, invalid."""
    if directions is not None and len(directions) > MAX_DIRECTIONS:
        raise invalid(("/directions", f"must have at most {MAX_DIRECTIONS} characters"))
    await _write(store, caller, asset_id, revision, {"directions": directions, "settings": dict(settings)})


async def drop_draft(store: Store, caller: Caller, asset_id: str, revision: int | None) -> None:
    """Raises Refusal not-found, stale."""
    await _write(store, caller, asset_id, revision, None)


async def _write(store: Store, caller: Caller, asset_id: str, revision: int | None, draft: Draft | None) -> None:
    asset: Asset = await lock_asset(store, caller, asset_id)
    if revision not in (None, asset.revision):
        raise stale(asset.revision)
    now = store.now()
    await store.assets.save_draft(asset_id, draft, now)
    await store.log(changed_event(caller, asset.episode_id, "asset", asset_id, now))


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
    await store.log(changed_event(caller, episode_id, "asset", asset.asset_id, now))
    return asset.asset_id


async def lock_asset(store: Store, caller: Caller, asset_id: str) -> Asset:
    asset = await store.assets.lock(asset_id)
    if asset is None or asset.project_id != caller.project_id:
        raise not_found("asset")
    return asset


async def asset_of_segment(store: Store, caller: Caller, segment_id: str, kind: AssetKind) -> str:
    """Raises Refusal not-found."""
    segment = await store.episodes.segment(segment_id)
    if segment is None or segment.project_id != caller.project_id:
        raise not_found("segment")
    asset_id = await store.assets.of_segment(segment_id, kind)
    if asset_id is None:
        raise not_found("asset")
    return asset_id
