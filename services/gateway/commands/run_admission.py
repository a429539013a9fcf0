"""Admit a run: what it requests, whether it is allowed, its number and the asset's lock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Final

from services.gateway.commands.accounts import check_quotas
from services.gateway.commands.stream_events import requested_text
from services.gateway.domain.assets import Asset, RunBase
from services.gateway.domain.episodes import Episode
from services.gateway.domain.errors import Refusal, invalid, not_found
from services.gateway.domain.event_log import StreamEvent
from services.gateway.domain.run_parameters import (
    DIRECTIONS,
    MODIFICATIONS,
    RunParameters,
    merge_changes,
    type_problems,
)
from services.gateway.domain.run_settings import run_problems
from services.gateway.domain.runs import NewRun, Run, RunStatus
from services.gateway.domain.settings import cap_of, snapshot
from services.gateway.domain.timestamps import rfc3339
from services.gateway.store.unit_of_work import Store
from shared.contracts.events.gateway import RegenerateRequested
from shared.contracts.settings_resolver import ExistingVersion
from shared.contracts.values import Actor, AssetKind, ObjectRef, ParentReason, RunSource


@dataclass(frozen=True)
class AdmittedRun:
    """`decision_id`: a waiting preview is being closed, and the run starts when that is decided."""

    run_id: str
    decision_id: str | None = None


@dataclass(frozen=True)
class RunSpec:
    """A run that was checked and may be entered. `asset` is locked by the caller."""

    asset: Asset
    base: RunBase
    actor: Actor
    review_timeout_s: int | None
    parameters: RunParameters = field(default_factory=RunParameters)
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


async def admit_run(store: Store, order: RunSpec) -> str:
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


def _request(order: RunSpec, run_id: str) -> RegenerateRequested:
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
        overrides=order.parameters.overrides(),
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


def _entry(order: RunSpec, request: RegenerateRequested, at: str) -> StreamEvent:
    asset = order.asset
    text = requested_text(request, again=asset.committed_version_id is not None)
    return StreamEvent(
        "regenerate-requested", asset.project_id, asset.episode_id, _data(asset.project_id, request, text, at)
    )


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


MAX_VARIANTS: Final = 4


@dataclass(frozen=True)
class StartRun:
    """What is left out comes from the draft. `changes` are merged into what the parent run was asked for."""

    asset_id: str
    directions: str | None = None
    model: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    variants: int = 1
    changes: Mapping[str, Any] = field(default_factory=dict)
    keep_original: bool = True


async def check_run(store: Store, order: RunSpec, *, changes_in: str = "/changes") -> None:
    """What can be refused before anything is paid. `changes_in` as for `wanted_of`."""
    base, kind = order.base, order.asset.kind
    asked = order.parameters.directions
    has_text = asked.strip() if asked else base.committed and base.committed.directions.strip()
    if not has_text:
        problem = "must not be blank" if asked else "there are none: neither here, nor in the draft, nor committed ones"
        raise invalid((f"/{DIRECTIONS}", problem))
    project = snapshot(base.project.settings, base.output, {})
    existing = ExistingVersion(base.committed.model) if base.committed else ExistingVersion()
    if problems := run_problems(order.parameters, kind, project, existing, store.catalogue, store.default_provider):
        raise invalid(*((_sent_as(pointer, order.changes or {}, changes_in), problem) for pointer, problem in problems))
    await check_quotas(store, order.actor, order.variants)
    await check_spending(store, base)


def _sent_as(pointer: str, changes: Mapping[str, Any], changes_in: str) -> str:
    """Where the request has what is wrong: among its changes, or where its settings are."""
    name = pointer.rpartition("/")[2]
    return f"{changes_in}/{name}" if name in changes else pointer


async def check_spending(store: Store, base: RunBase) -> None:
    """By what the gateway knows of; the generator reserves and decides."""
    capped = cap_of(base.project.settings, store.now())
    if capped is None:
        return
    cap, since = capped
    spent = await store.projects.spent(base.project.project_id, since, cap.currency)
    if spent >= Decimal(cap.amount):
        raise Refusal(
            "spend-cap-reached",
            "The project has spent what it may.",
            "An owner can raise the cap.",
            cap=cap.model_dump(),
            spent={"amount": str(spent), "currency": cap.currency},
        )


def run_parameters(
    command: StartRun, asset: Asset, base: RunBase, parent: Run | None, *, changes_in: str = "/changes"
) -> RunParameters:
    """The request, over the parent run (if it asks for changes) or the draft; a video's duration from its segment.
    `changes_in` is where the request has its changes: what is wrong there is pointed at."""
    asked = RunParameters(command.directions, command.model, command.settings)
    draft = RunParameters.from_draft(asset.draft)
    if command.changes:
        if problems := type_problems(command.changes):
            raise invalid(*((f"{changes_in}/{name}", problem) for name, problem in problems))
        asked = merge_changes(asked.over(_base_of_changes(parent, draft, base, command.changes)), command.changes)
    else:
        asked = asked.over(draft)
    if asset.kind is AssetKind.VIDEO and base.segment_duration is not None and "duration" not in asked.settings:
        asked = replace(asked, settings={**asked.settings, "duration": base.segment_duration})
    return asked


def _base_of_changes(
    parent: Run | None, draft: RunParameters, base: RunBase, changes: Mapping[str, Any]
) -> RunParameters:
    """The parent run (rejected or waiting), else the draft, else the committed version."""
    builds_on = (RunStatus.REJECTED, RunStatus.PREVIEW_READY)
    if parent and parent.status in builds_on and parent.source in (RunSource.GENERATE, RunSource.EXISTING):
        found = parent.parameters
        return found if found.directions else found.over(draft)
    if not draft.directions and base.committed and MODIFICATIONS in changes:
        return draft.over(RunParameters(base.committed.directions))
    return draft


async def base_of_new_asset(store: Store, episode: Episode) -> RunBase:
    """New assets have nothing to build on but their project."""
    project = await store.projects.get(episode.project_id)
    if project is None:
        raise not_found("project")
    return RunBase(project, episode.output, {}, None, None, None, None)
