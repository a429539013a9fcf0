"""The events on the clients' streams: the data of each as the API documents it. They contain no URLs."""

from __future__ import annotations

from datetime import datetime
from typing import Any, assert_never

from services.gateway.api.schemas.events import payload
from services.gateway.domain.accounts import Caller
from services.gateway.domain.event_log import StreamEvent
from services.gateway.domain.messages import Message, said
from services.gateway.domain.runs import Run, RunState, RunStatus
from shared.contracts.events.gateway import RegenerateRequested
from shared.contracts.events.review import ReviewUpdated
from shared.contracts.photosensitivity import photosensitivity_warning
from shared.contracts.values import Actor, AssetKind, ParentReason, RunSource


def _event(name: str, project_id: str, episode_id: str | None, **data: Any) -> StreamEvent:
    event = payload(name, project_id=project_id, episode_id=episode_id, **data)
    return StreamEvent(name, project_id, episode_id, event.model_dump_json())


def run_event(
    name: str, run: Run, status: RunStatus, at: datetime, news: Message | None, actor: Actor, **more: Any
) -> StreamEvent:
    """An event about a run; `at` is the run's new `updated_at`."""
    return _event(
        name,
        run.project_id,
        run.episode_id,
        status=status.value,
        **said(news),
        actor=actor.model_dump(),
        updated_at=at,
        run_id=run.run_id,
        asset_id=run.asset_id,
        kind=run.kind.value,
        segment_id=run.segment_id,
        segment_number=run.segment_number,
        **more,
    )


def resource_event(
    name: str,
    project_id: str,
    episode_id: str | None,
    at: datetime,
    *,
    status: str | None = None,
    news: Message | None = None,
    actor: Actor | None = None,
    **more: Any,
) -> StreamEvent:
    """An event about anything but a run; `more` holds its id and further fields."""
    return _event(
        name,
        project_id,
        episode_id,
        status=status,
        **said(news),
        actor=actor.model_dump() if actor else None,
        updated_at=at,
        **more,
    )


def changed_event(
    caller: Caller,
    episode_id: str | None,
    resource: str,
    resource_id: str,
    at: datetime,
    *,
    deleted: bool = False,
    version_id: str | None = None,
) -> StreamEvent:
    """A person created, edited or deleted a resource. `version_id`: that a note is about."""
    return resource_event(
        "changed",
        caller.project_id,
        episode_id,
        at,
        actor=caller.actor,
        resource=resource,
        id=resource_id,
        deleted=deleted,
        version_id=version_id,
    )


def requested_message(request: RegenerateRequested, *, again: bool, feedback: bool = False) -> Message:
    """`again`: the asset has had a version before. `feedback`: a rejection requested the run."""
    kind = {"kind": request.asset_kind.replace("_", " ")}
    match request.source:
        case RunSource.UPLOAD | RunSource.URL | RunSource.IMPORT:
            return Message("run.entering", kind)
        case RunSource.EXISTING if request.parent_reason is ParentReason.ROLLBACK:
            return Message("run.rolling_back", kind)
        case RunSource.EXISTING:
            return Message("run.reopening", kind)
        case RunSource.GENERATE if feedback and request.segment_number is not None:
            return Message("run.regenerating_with_feedback", {"number": request.segment_number})
        case RunSource.GENERATE:
            again = again or request.parent_reason is not None
            return Message("run.regenerating" if again else "run.started", kind)
        case _:
            assert_never(request.source)


def requested_event(project_id: str, request: RegenerateRequested, news: Message, at: datetime) -> StreamEvent:
    """A run was sent to the generator."""
    return _event(
        "regenerate-requested",
        project_id,
        request.episode_id,
        status=RunStatus.REQUESTED.value,
        **said(news),
        actor=request.actor.model_dump(),
        updated_at=at,
        run_id=request.run_id,
        asset_id=request.asset_id,
        kind=request.asset_kind.value,
        segment_id=request.segment_id,
        segment_number=request.segment_number,
        source=request.source.value,
        parent_run_id=request.parent_run_id,
        batch_id=request.batch_id,
    )


def preview_message(run: Run) -> Message:
    if run.parent_reason is ParentReason.REJECTED or run.asset_committed:
        return Message("preview.new_version", {})
    if run.kind is AssetKind.VIDEO and run.batch_id:
        return Message("preview.segment", {"number": run.segment_number})
    return Message(f"preview.{run.kind}", {})


def accepted_message(run: Run) -> Message:
    if run.kind is AssetKind.VIDEO:
        return Message("review.accepted", {"number": run.segment_number})
    return Message("review.accepted_asset", {"label": run.label})


def preview_of(version: dict[str, Any], label: str) -> dict[str, Any]:
    """A candidate as `preview-ready` shows it: its measured duration and size, not the requested ones."""
    media = version["media"]
    return {
        "version_id": version["version_id"],
        "number": version["version_number"],
        "label": label,
        "directions": version["directions"],
        "model": version["model"],
        "duration": media.get("duration_s"),
        "resolution": media.get("resolution"),
        "aspect_ratio": media.get("aspect_ratio"),
        "differences": version.get("differences") or [],
        "quality_events": (version.get("quality") or {}).get("events") or [],
        "photosensitivity_warning": photosensitivity_warning((version.get("quality") or {}).get("measures") or {}),
    }


def preview_event(
    run: Run, state: RunState, at: datetime, versions: list[dict[str, Any]], deadline: datetime | None
) -> StreamEvent:
    return run_event(
        "preview-ready",
        run,
        state.status,
        at,
        preview_message(run),
        run.actor,
        deadline=deadline,
        versions=versions,
    )


def review_event(
    run: Run,
    status: RunStatus,
    at: datetime,
    event: ReviewUpdated,
    deadline: datetime | None,
    *,
    news: Message | None = None,
    reason: str | None = None,
) -> StreamEvent:
    return run_event(
        "review-updated",
        run,
        status,
        at,
        news,
        Actor(kind="system"),
        change=event.change.value,
        deadline=deadline,
        reason=reason,
    )
