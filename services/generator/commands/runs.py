"""How runs begin and end: started, refused, cancelled, closed by their review, or ended by the sweep.

What is known to fail is failed when the run starts, before anyone waits for a worker. A version that exists already
(reopen, rollback) needs no worker at all: its preview is ready at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from services.generator.domain import problems
from services.generator.domain.resolver import resolve
from services.generator.domain.runs import Lane, Run, failed, preview_ready, progress
from services.generator.domain.states import WORKING, RunState
from services.generator.providers.base import LaneOf
from services.generator.store.runs import AdmittedAsset, NewRun, RunRepository
from services.generator.store.sweeps import RunSweepRepository
from shared.contracts.catalogue import Catalogue
from shared.contracts.events.gateway import CancelRequested, CancelTarget, ImportRequested, RegenerateRequested
from shared.contracts.events.generator import Failed
from shared.contracts.events.review import Rejected, ReviewChange, ReviewUpdated
from shared.contracts.settings_resolver import (
    ExistingVersion,
    ResolverRequest,
    resolve_adjustments,
    resolve_directions,
    with_language,
)
from shared.contracts.values import AssetKind, Cost, Problem, RunSource, Setting, SettingSource
from shared.core.errors import UserError
from shared.core.ids import is_id
from shared.messaging.events import Cause, Message

log = structlog.get_logger(__name__)

UPLOAD: Final = "upload"
"""The provider's name in versions that users brought."""

UNKNOWN_ID: Final = "00000000-0000-0000-0000-000000000000"  # in the failure of a command that does not name it
NOTHING_SPENT: Final = Cost(amount="0", basis="reported")
WITHOUT_JOB_FOR: Final = timedelta(seconds=30)
SWEEP_LIMIT: Final = 100  # rows of one kind in one sweep


@dataclass(frozen=True)
class Capabilities:
    """What this installation can generate: models, the lanes of its providers, and the default provider."""

    catalogue: Catalogue
    lanes: Mapping[str, LaneOf]
    default_provider: str
    new_seed: Callable[[], int]


async def start_run(
    runs: RunRepository, message: Message[RegenerateRequested], capabilities: Capabilities, now: datetime
) -> AdmittedAsset:
    """Resolves the settings of a run that the gateway admitted, stores it and queues its work."""
    request = message.event
    asset = await runs.admit(request, message.cause)
    if asset.refused:
        return asset
    unplanned = NewRun(
        request, message.cause, RunState.QUEUED, "queued", settings={}, provider=UPLOAD, model=None, lane=Lane.INGEST
    )
    try:
        new = await _plan(runs, asset, unplanned, capabilities)
    except UserError as e:
        new = replace(unplanned, state=RunState.FAILED, problem=problems.problem_of(e))
    run = await runs.add(new, now)
    if run:
        await _announce(runs, run, new)
    return asset


async def _plan(runs: RunRepository, asset: AdmittedAsset, run: NewRun, capabilities: Capabilities) -> NewRun:
    if asset.deleted:
        raise problems.asset_deleted()
    match run.request.source:
        case RunSource.GENERATE:
            await _lock_starting_image(runs, run.request)
            return _plan_generation(asset, run, capabilities)
        case RunSource.UPLOAD | RunSource.URL | RunSource.IMPORT:
            return _plan_ingest(asset, run)
        case RunSource.EXISTING:
            return await _plan_existing(runs, asset, run)


async def _lock_starting_image(runs: RunRepository, request: RegenerateRequested) -> None:
    """Locked while the run is stored, so that either retention sees the run or the run sees the purge."""
    version_id = request.starting_image_version_id
    locked = await runs.lock_version(version_id) if version_id else None
    if locked and locked.purged:
        raise problems.starting_image_missing()


def _plan_generation(asset: AdmittedAsset, run: NewRun, capabilities: Capabilities) -> NewRun:
    r = run.request
    if r.asset_kind is AssetKind.VIDEO and r.starting_image_version_id is None:
        raise problems.starting_image_missing()
    effective = resolve(
        _resolver_request(r, asset),
        capabilities.catalogue,
        default_provider=capabilities.default_provider,
        fresh_seed=capabilities.new_seed(),
    )
    provider = effective.model.provider
    if provider not in capabilities.lanes:
        raise problems.provider_unknown(provider, sorted(capabilities.lanes))
    return replace(
        run,
        settings=with_language(effective.settings, effective.model, r.guessed_language),
        provider=provider,
        model=effective.model.slug,
        lane=capabilities.lanes[provider](r.asset_kind),
    )


def _resolver_request(request: RegenerateRequested, asset: AdmittedAsset) -> ResolverRequest:
    existing = ExistingVersion.of(asset.committed) if asset.committed else ExistingVersion()
    return ResolverRequest(request.asset_kind, request.overrides, request.project_settings, existing)


def _plan_ingest(asset: AdmittedAsset, run: NewRun) -> NewRun:
    r = run.request
    if r.input_object is None and r.input_url is None:
        raise problems.input_missing()
    request = _resolver_request(r, asset)
    directions = resolve_directions(request) or Setting(value="", source=SettingSource.DEFAULT)
    return replace(run, settings={"directions": directions} | resolve_adjustments(request))


async def _plan_existing(runs: RunRepository, asset: AdmittedAsset, run: NewRun) -> NewRun:
    """The lock keeps the version from being purged while the run is stored."""
    locked = await runs.lock_version(run.request.version_id) if run.request.version_id else None
    if locked is None or locked.asset_id != run.request.asset_id:
        raise problems.version_unknown()
    if locked.purged:
        raise problems.version_purged()
    version = locked.version
    return replace(
        run,
        state=RunState.PREVIEW_READY,
        step="waiting",
        settings=version.settings,
        provider=version.provider,
        model=version.model,
        candidate=version,
        base_commit_seq=asset.commit_seq,
    )


async def _announce(runs: RunRepository, run: Run, new: NewRun) -> None:
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


async def refuse_request(
    runs: RunRepository,
    *,
    topic: str,
    key: str,
    subject: str | None,
    body: Mapping[str, Any],
    cause: Cause,
    now: datetime,
) -> None:
    """Publishes the failure of a dead-lettered command, from what its headers, key and body still tell.

    Clients that wait for it learn that it failed, and no lock of the asset stays held.
    """
    if topic == RegenerateRequested.TOPIC and subject and is_id(subject):
        await runs.refuse(subject, now)
        kind = body.get("asset_kind")
        event = Failed(
            episode_id=_id(body, "episode_id") or UNKNOWN_ID,
            run_id=subject,
            asset_id=key or _id(body, "asset_id"),
            asset_kind=AssetKind(kind) if kind in list(AssetKind) else None,
            segment_id=_id(body, "segment_id"),
            run_rev=1,
            outcome="failed",
            step="queued",
            problem=problems.problem_of(problems.unreadable_command()),
            cost=NOTHING_SPENT,
        )
        await runs.publish(cause, event)
    elif topic == ImportRequested.TOPIC and subject:
        event = Failed(
            episode_id=key or UNKNOWN_ID,
            import_id=subject,
            run_rev=1,
            outcome="failed",
            step="queued",
            problem=problems.problem_of(problems.unreadable_command()),
            cost=NOTHING_SPENT,
        )
        await runs.publish(cause, event)


def _id(body: Mapping[str, Any], name: str) -> str | None:
    value = body.get(name)
    return value if isinstance(value, str) and is_id(value) else None


async def cancel_run(runs: RunRepository, message: Message[CancelRequested], now: datetime) -> Run | None:
    """Stops the work of a run and publishes what it cost. A preview is rejected, not cancelled."""
    if message.event.target is not CancelTarget.RUN:
        return None
    run_id = message.event.target_id
    if not await runs.is_known(run_id):
        await runs.park(run_id, message)
        return None
    return await _cancel(runs, run_id, problems.problem_of(problems.cancelled()), now, only_from=WORKING)


async def _cancel(
    runs: RunRepository, run_id: str, problem: Problem, now: datetime, *, only_from: frozenset[RunState] | None = None
) -> Run | None:
    run = await runs.end(run_id, RunState.CANCELLED, now, only_from=only_from, problem=problem)
    if run:
        await runs.stop_work(run_id)
        await runs.publish(run.cause, failed(run, problem))
    return run


async def close_rejected(runs: RunRepository, message: Message[Rejected], now: datetime) -> Run | None:
    """Ends a run whose preview was rejected; the committed version is unchanged."""
    return await _close(runs, message, RunState.REJECTED, now)


async def close_reviewed(runs: RunRepository, message: Message[ReviewUpdated], now: datetime) -> Run | None:
    """Ends a run whose review expired or was withdrawn; the committed version is unchanged."""
    match message.event.change:
        case ReviewChange.EXPIRED:
            return await _close(runs, message, RunState.EXPIRED, now)
        case ReviewChange.WITHDRAWN:
            return await _cancel(runs, message.event.run_id, problems.problem_of(problems.asset_deleted()), now)
        case ReviewChange.OPENED | ReviewChange.REFUSED:
            return None


async def _close(runs: RunRepository, message: Message[Any], state: RunState, now: datetime) -> Run | None:
    run_id = message.event.run_id
    if not await runs.is_known(run_id):
        await runs.park(run_id, message)
        return None
    return await runs.end(run_id, state, now)


async def requeue_runs_without_job(sweeps: RunSweepRepository, now: datetime) -> int:
    """Queues again the working runs whose job was lost. Returns their number."""
    found = await sweeps.without_job(now - WITHOUT_JOB_FOR, SWEEP_LIMIT)
    for run, lane in found:
        log.warning("run.requeued", run_id=run.run_id, state=run.state)
        await sweeps.enqueue(run, lane)
    return len(found)


async def announce_waiting_for_limit(sweeps: RunSweepRepository, now: datetime) -> int:
    """Publishes once, for each run that a provider's limit keeps waiting, which limit it is. Returns their number."""
    found = await sweeps.mark_waiting_for_limit(now, SWEEP_LIMIT)
    for run, limit in found:
        log.info("run.waiting_for_limit", run_id=run.run_id, limit=limit)
        await sweeps.publish(run.cause, progress(run, percent=0, code="run.waiting_limit", args={"limit": limit}))
    return len(found)


async def fail_overdue_runs(
    sweeps: RunSweepRepository, now: datetime, *, queued_for: timedelta, generating_for: timedelta
) -> list[Run]:
    """Fails runs that were queued, or at work, for longer than this. Returns them."""
    ended = []
    for run in await sweeps.overdue(now - queued_for, now - generating_for, SWEEP_LIMIT):
        limit = queued_for if run.state is RunState.QUEUED else generating_for
        problem = problems.problem_of(problems.too_old(limit.total_seconds() / 3600, run.state))
        last = await sweeps.end(run.run_id, RunState.FAILED, now, only_from=WORKING, problem=problem)
        if last:
            await sweeps.stop_work(run.run_id)
            await sweeps.publish(last.cause, failed(last, problem))
            ended.append(last)
    return ended
