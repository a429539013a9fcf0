"""The draft of an asset: what the next run is asked for unless its request says otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.gateway.commands.admit_run import lock_asset
from services.gateway.commands.announce import changed
from services.gateway.commands.ports import Caller, Store
from services.gateway.domain.episodes import MAX_DIRECTIONS, Asset, Draft
from services.gateway.domain.errors import invalid, stale


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
    await store.log(changed(caller, asset.episode_id, "asset", asset_id, now))
