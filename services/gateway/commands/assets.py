"""Edit the drafts of assets, and add images to an episode."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.gateway.commands.stream_events import changed_event
from services.gateway.domain.accounts import Caller
from services.gateway.domain.assets import Asset, Draft, NewAsset
from services.gateway.domain.errors import AwaitsCommit, busy, check_revision, invalid, not_found
from services.gateway.domain.run_parameters import DIRECTIONS, RunParameters
from services.gateway.domain.run_settings import run_problems
from services.gateway.domain.runs import RunStatus
from services.gateway.domain.settings import snapshot
from services.gateway.store.unit_of_work import Store
from shared.contracts.settings_resolver import ExistingVersion
from shared.contracts.values import AssetKind


async def lock_asset(store: Store, caller: Caller, asset_id: str) -> Asset:
    """Raises Refusal not-found."""
    return caller.owned(await store.assets.lock(asset_id), "asset")


async def check_free(store: Store, asset: Asset) -> None:
    """Raises Refusal busy if a run holds the asset, with what can be done about it."""
    if asset.active_run_id is None:
        return
    active = await store.runs.get(asset.active_run_id)
    match active.status if active else None:
        case RunStatus.PREVIEW_READY if active and not active.auto_approve:
            decided = await store.reviews.pending(active.run_id)
            raise busy(asset.label, active.run_id, why="reviewing" if decided is None else "deciding")
        case RunStatus.ACCEPTED:
            raise AwaitsCommit(asset.label, asset.project_id, asset.active_run_id)
        case _:
            raise busy(asset.label, asset.active_run_id)


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
    """Replaces the draft, which the next run uses for everything that its request leaves out; what a run would refuse
    is refused here. `revision` None: any.

    Raises Refusal not-found, stale, invalid.
    """
    draft: Draft = {"directions": directions, "settings": dict(settings)}
    asset = await lock_asset(store, caller, asset_id)
    base = await store.assets.base_of(asset_id)
    project = snapshot(base.project.settings, base.output, {})
    existing = ExistingVersion(base.committed.model) if base.committed else ExistingVersion()
    parameters = RunParameters.from_draft(draft)
    problems = run_problems(parameters, asset.kind, project, existing, store.catalogue, store.default_provider)
    if problems:
        raise invalid(*((_in_draft(pointer), problem) for pointer, problem in problems))
    await _write_draft(store, caller, asset_id, revision, draft)


def _in_draft(pointer: str) -> str:
    """A draft has the model and the adjustments of the prompt among its settings."""
    at_top = pointer == f"/{DIRECTIONS}" or pointer.startswith("/settings/")
    return pointer if at_top else f"/settings{pointer}"


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
