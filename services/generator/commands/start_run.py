"""A run was admitted by the gateway: resolve its settings, store it, queue its work.

What can be known to fail is failed here, before anyone waits for a worker. A version that exists already (reopen,
rollback) needs no worker at all: its preview is ready at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from services.generator.commands.ports import Asset, LaneOf, NewRun, Runs
from services.generator.domain import problems
from services.generator.domain.resolver import resolve
from services.generator.domain.runs import Lane, Run, failed, preview_ready, progress
from services.generator.domain.states import RunState
from shared.contracts.catalogue import Catalogue
from shared.contracts.events.gateway import RegenerateRequested
from shared.contracts.settings_resolver import ExistingVersion, ResolverRequest, resolve_directions
from shared.contracts.values import AssetKind, RunSource, Setting, SettingSource
from shared.core.errors import UserError
from shared.messaging.events import Message

log = structlog.get_logger(__name__)

UPLOAD = "upload"
"""The provider's name of what users bring."""


@dataclass(frozen=True)
class Offer:
    """What this installation can make: models, the providers that are set up with their lanes, and the default one."""

    catalogue: Catalogue
    lanes: Mapping[str, LaneOf]
    default_provider: str
    fresh_seed: Callable[[], int]


async def start_run(runs: Runs, message: Message[RegenerateRequested], offer: Offer, now: datetime) -> Asset:
    request = message.event
    asset = await runs.admit(request, message.cause)
    if asset.refused:
        return asset
    blank = NewRun(
        request, message.cause, RunState.QUEUED, "queued", settings={}, provider=UPLOAD, model=None, lane=Lane.INGEST
    )
    try:
        new = await _plan(runs, asset, blank, offer)
    except UserError as e:
        new = replace(blank, state=RunState.FAILED, problem=problems.problem_of(e))
    run = await runs.add(new, now)
    if run:
        await _announce(runs, run, new)
    return asset


async def _plan(runs: Runs, asset: Asset, blank: NewRun, offer: Offer) -> NewRun:
    request = blank.request
    if asset.deleted:
        raise problems.asset_deleted()
    match request.source:
        case RunSource.GENERATE:
            await _hold_pinned(runs, request)
            return _generate(asset, blank, offer)
        case RunSource.UPLOAD | RunSource.URL | RunSource.IMPORT:
            return _bring(asset, blank)
        case RunSource.EXISTING:
            return await _existing(runs, asset, blank)


async def _hold_pinned(runs: Runs, request: RegenerateRequested) -> None:
    """Locked while the run is stored, so that retention sees the run or the run sees the mark."""
    pinned = request.starting_image_version_id
    held = await runs.hold_version(pinned) if pinned else None
    if held and held.purged:
        raise problems.starting_image_missing()


def _generate(asset: Asset, blank: NewRun, offer: Offer) -> NewRun:
    r = blank.request
    if r.asset_kind is AssetKind.VIDEO and r.starting_image_version_id is None:
        raise problems.starting_image_missing()
    effective = resolve(
        _resolver_request(r, asset),
        offer.catalogue,
        default_provider=offer.default_provider,
        fresh_seed=offer.fresh_seed(),
    )
    provider = effective.model.provider
    if provider not in offer.lanes:
        raise problems.provider_unknown(provider, sorted(offer.lanes))
    return replace(
        blank,
        settings=effective.settings,
        provider=provider,
        model=effective.model.slug,
        lane=offer.lanes[provider](r.asset_kind),
    )


def _resolver_request(request: RegenerateRequested, asset: Asset) -> ResolverRequest:
    existing = ExistingVersion.of(asset.committed) if asset.committed else ExistingVersion()
    return ResolverRequest(request.asset_kind, request.overrides, request.project_settings, existing)


def _bring(asset: Asset, blank: NewRun) -> NewRun:
    r = blank.request
    if r.input_object is None and r.input_url is None:
        raise problems.input_missing()
    found = resolve_directions(_resolver_request(r, asset))
    directions = found or Setting(value="", source=SettingSource.DEFAULT)
    return replace(blank, settings={"directions": directions})


async def _existing(runs: Runs, asset: Asset, blank: NewRun) -> NewRun:
    """Locking the version keeps it from being purged under the run."""
    held = await runs.hold_version(blank.request.version_id) if blank.request.version_id else None
    if held is None or held.asset_id != blank.request.asset_id:
        raise problems.version_unknown()
    if held.purged:
        raise problems.version_purged()
    v = held.version
    return replace(
        blank,
        state=RunState.PREVIEW_READY,
        step="waiting",
        settings=v.settings,
        provider=v.provider,
        model=v.model,
        candidate=v,
        base_commit_seq=asset.commit_seq,
    )


async def _announce(runs: Runs, run: Run, new: NewRun) -> None:
    log.info(
        "run.queued" if not new.problem else "run.refused",
        run_id=run.run_id,
        kind=run.request.asset_kind,
        provider=run.provider,
        model=run.model,
        source=run.request.source,
        code=new.problem.code if new.problem else None,
    )
    if new.problem:
        await runs.publish(run.cause, failed(run, new.problem))
    elif new.candidate:
        await runs.publish(run.cause, preview_ready(run, [new.candidate], []))
    else:
        await runs.enqueue(run, new.lane)
        await runs.publish(run.cause, progress(run, percent=0, code="run.queued", with_settings=True))
