"""A run is entered: its number, its request, the asset's lock; sent at once, or held until its parent is decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from services.gateway.commands.announce import requested_text
from services.gateway.commands.ports import Entry, Store
from services.gateway.commands.rows import NewRun, Run, RunBase
from services.gateway.domain.changes import Wanted
from services.gateway.domain.episodes import Asset
from services.gateway.domain.runs import RunStatus
from services.gateway.domain.settings import snapshot
from services.gateway.domain.times import rfc3339
from shared.contracts.events.gateway import RegenerateRequested
from shared.contracts.values import Actor, AssetKind, ObjectRef, ParentReason, RunSource


@dataclass(frozen=True)
class Admitted:
    """`decision_id`: a waiting preview is being closed, and the run starts when that is decided."""

    run_id: str
    decision_id: str | None = None


@dataclass(frozen=True)
class RunOrder:
    """A run that was checked and may be entered. `asset` is locked by the caller."""

    asset: Asset
    base: RunBase
    actor: Actor
    review_timeout_s: int | None
    wanted: Wanted = field(default_factory=Wanted)
    source: RunSource = RunSource.GENERATE
    variants: int = 1
    keep_original: bool = True
    auto_approve: bool = False
    parent_run_id: str | None = None
    parent_reason: ParentReason | None = None
    batch_id: str | None = None
    import_id: str | None = None
    version_id: str | None = None
    input_object: ObjectRef | None = None
    input_url: str | None = None
    changes: Mapping[str, Any] | None = None
    held: bool = False
    run_id: str | None = None
    correlation_id: str | None = None


async def enter_run(store: Store, order: RunOrder) -> str:
    """Returns the run's id."""
    asset, now = order.asset, store.now()
    request = _request(order, order.run_id or store.new_id())
    number = await store.assets.take(asset.asset_id, None if order.held else request.run_id, now)
    await store.runs.insert(
        NewRun(
            request=request,
            project_id=asset.project_id,
            number=number,
            at=now,
            held=order.held,
            import_id=order.import_id,
            changes=order.changes,
            draft_revision=asset.revision,
        )
    )
    if not order.held:
        await store.publish(asset.project_id, asset.owner_id, request, correlation_id=order.correlation_id)
        await store.log(_entry(order, request, rfc3339(now)))
    return request.run_id


async def send_held(store: Store, parent: Run, *, feedback: bool = False) -> bool:
    """The verdict on the parent starts the run that waited for it: it gets the asset's lock. False: there is none.
    `feedback`: the verdict is a rejection that asked for it."""
    held = await store.runs.lock(parent.holds) if parent.holds else None
    if held is None or not held.held:
        return False
    now = store.now()
    await store.assets.hand_over(held.asset_id, parent.run_id, held.run_id, now)
    at = await store.runs.save(held, held.track, now, held=False)
    await store.publish(held.project_id, held.owner_id, held.request)
    text = requested_text(held.request, again=held.asset_committed, feedback=feedback)
    await store.log(
        Entry(
            "regenerate-requested",
            held.project_id,
            held.episode_id,
            _data(held.project_id, held.request, text, rfc3339(at)),
        )
    )
    return True


def _request(order: RunOrder, run_id: str) -> RegenerateRequested:
    asset, base = order.asset, order.base
    is_made_here = asset.kind is AssetKind.VIDEO and order.source is RunSource.GENERATE
    return RegenerateRequested(
        run_id=run_id,
        asset_id=asset.asset_id,
        asset_kind=asset.kind,
        episode_id=asset.episode_id,
        segment_id=asset.segment_id,
        segment_number=asset.segment_number,
        source=order.source,
        label=asset.label,
        overrides=order.wanted.overrides(),
        project_settings=snapshot(base.project.settings, base.output, base.references),
        variants=order.variants,
        keep_original=order.keep_original,
        auto_approve=order.auto_approve,
        review_timeout_s=order.review_timeout_s,
        starting_image_version_id=base.starting_image_version_id if is_made_here else None,
        previous_video_asset_id=base.previous_video_asset_id if is_made_here else None,
        input_object=order.input_object,
        input_url=order.input_url,
        version_id=order.version_id,
        parent_run_id=order.parent_run_id,
        parent_reason=order.parent_reason,
        batch_id=order.batch_id,
        actor=order.actor,
    )


def _entry(order: RunOrder, request: RegenerateRequested, at: str) -> Entry:
    asset = order.asset
    text = requested_text(request, again=asset.committed_version_id is not None)
    return Entry("regenerate-requested", asset.project_id, asset.episode_id, _data(asset.project_id, request, text, at))


def _data(project_id: str, request: RegenerateRequested, text: str, at: str) -> dict[str, Any]:
    return {
        "project_id": project_id,
        "episode_id": request.episode_id,
        "status": RunStatus.REQUESTED.value,
        "message": text,
        "actor": request.actor.model_dump(),
        "updated_at": at,
        "run_id": request.run_id,
        "asset_id": request.asset_id,
        "kind": request.asset_kind.value,
        "segment_id": request.segment_id,
        "segment_number": request.segment_number,
        "source": request.source.value,
        "parent_run_id": request.parent_run_id,
        "batch_id": request.batch_id,
    }
