"""After a restore of the generator's database alone: the runs, versions, commits and imports that it had published
since, from its own events. No call that was paid is made again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from services.generator.commands.runs import UPLOAD
from services.generator.domain.imports import ImportState
from services.generator.domain.problems import call_not_followed, problem_of
from services.generator.domain.retention import RetirementReason
from services.generator.domain.runs import POSITION, Lane, failed
from services.generator.domain.states import WORKING, RunState
from services.generator.providers.base import LaneOf
from services.generator.store.imports import ImportRepository
from services.generator.store.recollection import Recollections
from services.generator.store.runs import NewRun, RunRepository
from services.generator.store.versions import VersionRepository
from shared.contracts.base import Event
from shared.contracts.events.gateway import ImportRequested, RegenerateRequested
from shared.contracts.events.generator import Complete, Failed, ImportReady, PreviewReady, Progress
from shared.contracts.values import RunSource, Settings
from shared.messaging.events import Cause, Message

Told = Message[Event]

BEFORE_CALLS: Final = frozenset({"queued", "waiting_for_limit"})
"""The steps in which the provider was certainly not called yet."""
_NO_REQUEST: Final = "no topic has its request"


@dataclass(frozen=True)
class Stores:
    """The repositories, bound to one transaction."""

    runs: RunRepository
    versions: VersionRepository
    imports: ImportRepository
    recollections: Recollections


async def recollect(stores: Stores, story: Sequence[Told], lanes: Mapping[str, LaneOf], now: datetime) -> str | None:
    """`story`: what was published about one run or import since. Returns why a person has to look, or None."""
    requests = [(m.event, m.cause) for m in story if isinstance(m.event, ImportRequested)]
    of_import = any(isinstance(m.event, ImportReady) or getattr(m.event, "import_id", None) for m in story)
    if requests or of_import:
        return await _import(stores, story, requests)
    return await _run(stores, story, lanes, now)


async def _run(stores: Stores, story: Sequence[Told], lanes: Mapping[str, LaneOf], now: datetime) -> str | None:
    own = [m for m in story if isinstance(m.event, Progress | PreviewReady | Failed | Complete)]
    run_id = own[0].event.subject
    known = await stores.recollections.run(run_id)
    if known is None:
        requests = [(m.event, m.cause) for m in story if isinstance(m.event, RegenerateRequested)]
        if not requests:
            if all(isinstance(m.event, Failed) for m in own):  # its request could not be read: it never starts
                await stores.runs.refuse(run_id, now)
                return None
            return _NO_REQUEST
        await _admit(stores, *requests[0], own, lanes)
    why = None
    for message in own:
        why = await _tell(stores, run_id, message) or why
    await stores.recollections.level(run_id, max(m.event.run_rev for m in own))  # type: ignore[attr-defined]
    ended = [m for m in own if isinstance(m.event, PreviewReady | Failed | Complete)]
    if ended:
        last = max(ended, key=lambda m: m.event.run_rev)  # type: ignore[attr-defined]
        await stores.recollections.settle_cost(run_id, last.event.cost, last.envelope.time)  # type: ignore[attr-defined]
    why = await _go_on(stores, run_id, own, now) or why
    return why


async def _admit(
    stores: Stores, request: RegenerateRequested, cause: Cause, own: Sequence[Told], lanes: Mapping[str, LaneOf]
) -> None:
    """The run as it was stored when it began; what the provider was asked for, and how, is in its first event."""
    settings: Settings = {}
    provider, model = UPLOAD, None
    for event in (m.event for m in own):
        match event:
            case Progress(settings=found) if found is not None:
                settings, provider = found, str(event.message_args.get("provider", UPLOAD))
                model = _model(found)
                break
            case PreviewReady(candidates=[first, *_]):
                settings, provider, model = first.settings, first.provider or UPLOAD, first.model
                break
            case _:
                continue
    calls = request.source is RunSource.GENERATE and provider in lanes
    lane = lanes[provider](request.asset_kind) if calls else Lane.INGEST
    await stores.runs.admit(request, cause)
    new = NewRun(request, cause, RunState.QUEUED, "queued", settings, provider, model, lane)
    await stores.runs.add(new, own[0].envelope.time)


def _model(settings: Settings) -> str | None:
    setting = settings.get("model")
    return setting.value if setting and isinstance(setting.value, str) else None


async def _tell(stores: Stores, run_id: str, message: Told) -> str | None:
    """One event about the run. A state that the run has passed is passed over."""
    at = message.envelope.time
    match message.event:
        case Progress(provider_ref=str() as provider_ref) as progress:
            position = progress.message_args.get(POSITION, 0)
            run = await stores.recollections.run(run_id)
            if run and run.state in WORKING:
                await stores.recollections.follow_call(run_id, int(position), provider_ref, progress.attempt, at)
        case PreviewReady() as preview:
            run = await stores.recollections.run(run_id)
            if run and run.state in WORKING:
                await stores.recollections.offer(preview, at)
        case Complete() as complete:
            return await _commit(stores, complete)
        case Failed() as event:
            state = RunState.CANCELLED if event.outcome == "cancelled" else RunState.FAILED
            if await stores.runs.end(run_id, state, at, problem=event.problem):
                await stores.runs.stop_work(run_id)
        case _:
            pass
    return None


async def _commit(stores: Stores, complete: Complete) -> str | None:
    pending = await stores.versions.lock_pending(complete.run_id, complete.version.version_id)
    if pending is None or pending.run.state is not RunState.PREVIEW_READY:
        return None
    if pending.candidate is None:
        return f"it committed version {complete.version.version_id}, of which no topic has the preview"
    if pending.commit_seq != complete.commit_seq - 1:
        return f"its commit is number {complete.commit_seq}, and number {pending.commit_seq} is the last one known"
    keep = pending.run.request.keep_original
    reasons = {
        version_id: RetirementReason.REPLACED
        if version_id == complete.previous_version_id and not keep
        else RetirementReason.SURPLUS
        for version_id in complete.retired
    }
    await stores.versions.commit(pending, complete.updated_at, reasons)
    return None


async def _go_on(stores: Stores, run_id: str, own: Sequence[Told], now: datetime) -> str | None:
    """A run that was under way is queued again. One that may have called its provider, and no event says by which id,
    ends: what it made may be paid already."""
    run = await stores.recollections.run(run_id)
    if run is None or run.state not in WORKING:
        return None
    steps = [m.event for m in own if isinstance(m.event, Progress)]
    last = max(steps, key=lambda event: event.run_rev, default=None)
    called = run.lane is Lane.CALL and last is not None and last.step not in BEFORE_CALLS
    if called and last and not await stores.recollections.has_open_call(run_id, last.attempt):
        problem = problem_of(call_not_followed(run.provider))
        if ended := await stores.runs.end(run_id, RunState.FAILED, now, problem=problem):
            await stores.runs.stop_work(run_id)
            await stores.runs.publish(ended.cause, failed(ended, problem))
        return f"it may have called {run.provider}: look for its call in the provider's own list"
    await stores.recollections.enqueue(stores.runs, run_id)
    return None


async def _import(
    stores: Stores, story: Sequence[Told], requests: Sequence[tuple[ImportRequested, Cause]]
) -> str | None:
    own = [m for m in story if isinstance(m.event, Progress | Failed | ImportReady)]
    import_id, imports = own[0].event.subject, stores.imports
    rev = max((_rev(m.event) for m in own), default=1)
    if not await imports.is_known(import_id):
        if not requests:
            return None if all(isinstance(m.event, Failed) for m in own) else _NO_REQUEST
        film = await imports.add(*requests[0], own[0].envelope.time)
        if film:
            await imports.enqueue(film)
    for message in own:
        match message.event:
            case ImportReady() as ready:
                await stores.recollections.import_ready(ready, rev + 1, message.envelope.time)
            case Failed() as event:
                state = ImportState.CANCELLED if event.outcome == "cancelled" else ImportState.FAILED
                if await imports.end(import_id, state, message.envelope.time, problem=event.problem):
                    await imports.stop_work(import_id)
            case _:
                pass
    await stores.recollections.level_import(import_id, rev)
    return None


def _rev(event: Any) -> int:
    return int(getattr(event, "run_rev", 1))
