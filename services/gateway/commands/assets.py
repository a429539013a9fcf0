"""Edit the drafts of assets, and add images to an episode."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.gateway.commands.stream_events import changed_event
from services.gateway.domain.accounts import Caller
from services.gateway.domain.assets import MAX_DIRECTIONS, Asset, Draft, NewAsset
from services.gateway.domain.errors import check_revision, invalid, not_found
from services.gateway.store.unit_of_work import Store
from shared.contracts.values import AssetKind


async def lock_asset(store: Store, caller: Caller, asset_id: str) -> Asset:
    """Raises Refusal not-found."""
    return caller.owned(await store.assets.lock(asset_id), "asset")


async def asset_of_segment(store: Store, caller: Caller, segment_id: str, kind: AssetKind) -> str:
    """The id of the segment's asset of that kind. Raises Refusal not-found."""
    segment = caller.owned(await store.episodes.segment(segment_id), "segment")
    asset_id = await store.assets.of_segment(segment.segment_id, kind)
    if asset_id is None:
        raise not_found("asset")
    return asset_id


async def save_draft(
    store: Store,
    caller: Caller,
    asset_id: str,
    revision: int | None,
    directions: str | None,
    settings: Mapping[str, Any],
) -> None:
    """Replaces the draft, which the next run uses for everything that its request leaves out. `revision` None: any.

    Raises Refusal not-found, stale, invalid.
    """
    if directions is not None and len(directions) > MAX_DIRECTIONS:
        raise invalid(("/directions", f"must have at most {MAX_DIRECTIONS} characters"))
    await _write_draft(store, caller, asset_id, revision, {"directions": directions, "settings": dict(settings)})


async def drop_draft(store: Store, caller: Caller, asset_id: str, revision: int | None) -> None:
    """Raises Refusal not-found, stale."""
    await _write_draft(store, caller, asset_id, revision, None)


async def _write_draft(store: Store, caller: Caller, asset_id: str, revision: int | None, draft: Draft | None) -> None:
    asset = await lock_asset(store, caller, asset_id)
    check_revision(revision, asset.revision)
    now = store.now()
    await store.assets.save_draft(asset_id, draft, now)
    await store.log(changed_event(caller, asset.episode_id, "asset", asset_id, now))


@dataclass(frozen=True)
class AddImageAsset:
    """An image that is not part of the film: a poster, a title card, a reference."""

    label: str
    segment_id: str | None = None


async def add_image_asset(store: Store, caller: Caller, episode_id: str, command: AddImageAsset) -> str:
    """Returns the asset's id. Raises Refusal not-found, invalid."""
    episode = caller.owned(await store.episodes.lock(episode_id), "episode")
    if command.segment_id is not None:
        segment = await store.episodes.segment(command.segment_id)
        if segment is None or segment.episode_id != episode_id:
            raise invalid(("/segment_id", "is not a segment of this episode"))
    now, asset = store.now(), NewAsset(store.new_id(), AssetKind.IMAGE, command.label)
    await store.assets.insert(episode, command.segment_id, [asset], now)
    await store.log(changed_event(caller, episode_id, "asset", asset.asset_id, now))
    return asset.asset_id
