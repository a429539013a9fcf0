"""Admit a run: what it requests, whether it may run, its number, the asset's lock, and the event that requests it.

Every way to start a run ends in `admit_run`: a regeneration, a batch, a reopened preview, a rollback, an uploaded file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Final

from services.gateway.commands.accounts import check_quotas, check_storage
from services.gateway.commands.stream_events import requested_event, requested_message
from services.gateway.domain.assets import Asset, RunBase, asset_label
from services.gateway.domain.episodes import Episode
from services.gateway.domain.errors import AwaitsCommit, Refusal, invalid, not_found
from services.gateway.domain.narration_language import guess_language
from services.gateway.domain.run_parameters import (
    CHARACTERS,
    DIRECTIONS,
    MODIFICATIONS,
    STYLE,
    RunParameters,
    merge_changes,
    type_problems,
)
from services.gateway.domain.run_settings import is_free, run_problems
from services.gateway.domain.runs import NewRun, Run, RunStatus
from services.gateway.domain.settings import cap_of, snapshot
from services.gateway.store.unit_of_work import Store
from shared.contracts.events.gateway import RegenerateRequested
from shared.contracts.messages import message, problem_text
from shared.contracts.settings_resolver import ExistingVersion, ResolverRequest
from shared.contracts.values import Actor, AssetKind, LanguageGuess, ObjectRef, ParentReason, RunSource

CHANGES: Final = "/changes"
"""Where a request to start a run has its changes (a JSON pointer)."""


@dataclass(frozen=True)
class RunSpec:
    """A run that may be admitted. `asset` is locked by the caller; `review_timeout_s` None: no deadline."""

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
    """Wait for the decision on the parent run: written now, sent then (`send_held_run`)."""
    run_id: str | None = None
    correlation_id: str | None = None


@dataclass(frozen=True)
class StartedRun:
    """`decision_id`: a preview that was waiting is being closed, and the run starts once that is decided."""

    run_id: str
    decision_id: str | None = None


async def admit_run(store: Store, spec: RunSpec) -> str:
    """Returns the run's id. Raises Refusal invalid, before anything is written, if the request does not fit in an
    event."""
    asset, now = spec.asset, store.now()
    request = _request(spec, spec.run_id or store.new_id(), await _guessed_language(store, spec))
    store.check_size(request, message("problem.event_too_large.run"))
    news = requested_message(request, again=asset.committed_version_id is not None)
    number = await store.assets.begin_run(asset.asset_id, None if spec.held else request.run_id, now)
    await store.runs.insert(
        NewRun(
            request=request,
            project_id=asset.project_id,
            number=number,
            at=now,
            held=spec.held,
            import_id=spec.import_id,
            changes=spec.changes,
            draft_revision=asset.revision,
            message=news,
        )
    )
    if not spec.held:
        await store.publish(asset.project_id, asset.owner_id, request, correlation_id=spec.correlation_id)
        await store.log(requested_event(asset.project_id, request, news, now))
    return request.run_id


async def _guessed_language(store: Store, spec: RunSpec) -> LanguageGuess | None:
    """Of a narration to generate that has no language in its request or its project."""
    if spec.asset.kind is not AssetKind.NARRATION or spec.source is not RunSource.GENERATE:
        return None
    if spec.parameters.settings.get("language") or spec.base.project.settings.get("narration", {}).get("language"):
        return None
    script = spec.parameters.directions or (spec.base.committed.directions if spec.base.committed else "")
    return guess_language(script, await store.assets.narrations(spec.asset.episode_id))


def _request(spec: RunSpec, run_id: str, guessed_language: LanguageGuess | None) -> RegenerateRequested:
    asset, base = spec.asset, spec.base
    generates_video = asset.kind is AssetKind.VIDEO and spec.source is RunSource.GENERATE
    return RegenerateRequested(
        run_id=run_id,
        asset_id=asset.asset_id,
        asset_kind=asset.kind,
        episode_id=asset.episode_id,
        segment_id=asset.segment_id,
        segment_number=asset.segment_number,
        source=spec.source,
        label=asset.label,
        overrides=spec.parameters.overrides(),
        project_settings=snapshot(base.project.settings, base.output, base.references),
        segment_style=base.segment_style,
        segment_characters=base.segment_characters,
        guessed_language=guessed_language,
        variants=spec.variants,
        keep_original=spec.keep_original,
        auto_approve=spec.auto_approve,
        review_timeout_s=spec.review_timeout_s,
        starting_image_version_id=base.starting_image_version_id if generates_video else None,
        previous_video_asset_id=base.previous_video_asset_id if generates_video else None,
        input_object=spec.input_object,
        input_url=spec.input_url,
        version_id=spec.version_id,
        parent_run_id=spec.parent_run_id,
        parent_reason=spec.parent_reason,
        batch_id=spec.batch_id,
        actor=spec.actor,
    )


def run_parameters(
    requested: RunParameters,
    changes: Mapping[str, Any],
    asset: Asset,
    base: RunBase,
    parent: Run | None,
    *,
    changes_in: str = CHANGES,
) -> RunParameters:
    """The requested parameters; what they leave out comes from the parent run if changes to it are requested, else
    from the draft. A video without a duration gets its segment's.

    Raises Refusal invalid for changes of the wrong type, pointing into `changes_in`.
    """
    draft = RunParameters.from_draft(asset.draft)
    if changes:
        if problems := type_problems(changes):
            raise invalid(*((f"{changes_in}/{name}", problem) for name, problem in problems))
        built_on = _base_of_changes(parent, draft, base, changes).over(_accepted_adjustments(base))
        parameters = merge_changes(requested.over(built_on), changes)
    else:
        parameters = requested.over(draft)
    if asset.kind is AssetKind.VIDEO and base.segment_duration is not None and "duration" not in parameters.settings:
        parameters = replace(parameters, settings={**parameters.settings, "duration": base.segment_duration})
    return parameters


def _base_of_changes(
    parent: Run | None, draft: RunParameters, base: RunBase, changes: Mapping[str, Any]
) -> RunParameters:
    """The parameters of the parent run (rejected or waiting), else the draft, else the committed directions."""
    builds_on = (RunStatus.REJECTED, RunStatus.PREVIEW_READY)
    if parent and parent.status in builds_on and parent.source in (RunSource.GENERATE, RunSource.EXISTING):
        return parent.parameters if parent.parameters.directions else parent.parameters.over(draft)
    if not draft.directions and base.committed and MODIFICATIONS in changes:
        return draft.over(RunParameters(base.committed.directions))
    return draft


def _accepted_adjustments(base: RunBase) -> RunParameters:
    """What extends style and characters since the committed version was accepted: changes add to it."""
    if base.committed is None:
        return RunParameters()
    return RunParameters(
        style_adjustments=base.committed.value_of(STYLE), character_prompt=base.committed.value_of(CHARACTERS)
    )


async def check_run(store: Store, spec: RunSpec, *, changes_in: str = CHANGES) -> None:
    """Everything that can be refused before anything is paid; `changes_in` as for `run_parameters`.

    Raises Refusal invalid, rate-limited, spend-cap-reached, storage-full; AwaitsCommit if the starting image that a
    video is to use is accepted and not committed yet.
    """
    base, kind = spec.base, spec.asset.kind
    directions = spec.parameters.directions
    if not (directions or (base.committed.directions if base.committed else "")).strip():
        problem = "must not be blank" if directions else "is required: the draft and the committed version have none"
        raise invalid((f"/{DIRECTIONS}", problem))
    project = snapshot(base.project.settings, base.output, {})
    existing = ExistingVersion(base.committed.model) if base.committed else ExistingVersion()
    if problems := run_problems(spec.parameters, kind, project, existing, store.catalogue, store.default_provider):
        raise invalid(*((_sent_as(pointer, spec.changes or {}, changes_in), problem) for pointer, problem in problems))
    request = ResolverRequest(kind, spec.parameters.overrides(), project, existing)
    free = is_free(request, store.catalogue, store.default_provider)
    await check_quotas(store, spec.actor, spec.variants, free=free)
    if spec.batch_id is None:  # a batch is checked when it starts, and then made whole
        await check_storage(store, spec.asset.project_id)
    if not free:
        await check_spending(store, base)
    if kind is AssetKind.VIDEO and base.committing_image_run_id:
        image = asset_label(AssetKind.STARTING_IMAGE, spec.asset.segment_number)
        raise AwaitsCommit(image, spec.asset.project_id, base.committing_image_run_id)


def _sent_as(pointer: str, changes: Mapping[str, Any], changes_in: str) -> str:
    """The pointer as the request has it: a parameter may have been sent among the changes."""
    name = pointer.rpartition("/")[2]
    return f"{changes_in}/{name}" if name in changes else pointer


async def check_spending(store: Store, base: RunBase) -> None:
    """By the costs that the gateway knows; the generator reserves the cost of a run and has the last word.

    Raises Refusal spend-cap-reached.
    """
    capped = cap_of(base.project.settings, store.now())
    if capped is None:
        return
    cap, since = capped
    spent = await store.projects.spent(base.project.project_id, since, cap.currency)
    if spent >= Decimal(cap.amount):
        raise Refusal(
            "spend-cap-reached",
            *problem_text("spend_cap_used_up"),
            cap=cap.model_dump(),
            spent={"amount": str(spent), "currency": cap.currency},
        )


async def base_of_new_asset(store: Store, episode: Episode) -> RunBase:
    """A new asset has only its project to build on. Raises Refusal not-found."""
    project = await store.projects.get(episode.project_id)
    if project is None:
        raise not_found("project")
    return RunBase(project, episode.output, {}, None, None, None, None)
