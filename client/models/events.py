"""The events of the stream. They contain no URLs: GET the run or the episode instead."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from pydantic import ConfigDict, Field

from client.models.base import AssetKind, Model, Problem


class Event(Model):
    """An event. `last_event_id` is its position in the log (None: it has none); `data` has all of its fields.

    An event with a name that is unknown to this version is a plain Event.
    """

    model_config = ConfigDict(extra="ignore")  # `data` has all fields

    NAME: ClassVar[str] = ""

    name: str = ""
    last_event_id: str | None = None
    data: dict[str, Any] = Field({}, repr=False)

    project_id: str | None = None
    episode_id: str | None = None
    status: str | None = None
    message: str | None = None
    message_code: str | None = None
    message_args: dict[str, Any] = {}
    updated_at: datetime | None = None


class RunEvent(Event):
    """An event of a run."""

    run_id: str | None = None
    asset_id: str | None = None
    kind: AssetKind = AssetKind.UNKNOWN
    segment_id: str | None = None
    segment_number: int | None = None


class RegenerateRequested(RunEvent):
    NAME = "regenerate-requested"
    source: str | None = None
    parent_run_id: str | None = None
    batch_id: str | None = None


class Progress(RunEvent):
    NAME = "progress"
    step: str | None = None
    percent: float | None = None


class PreviewVersion(Model):
    version_id: str
    number: int | None = None
    label: str | None = None
    directions: str | None = None
    model: str | None = None
    duration: float | None = None
    resolution: str | None = None
    aspect_ratio: str | None = None


class PreviewReady(RunEvent):
    """The preview is waiting for a decision."""

    NAME = "preview-ready"
    deadline: datetime | None = None
    versions: list[PreviewVersion] = []


class Accepted(RunEvent):
    NAME = "accepted"
    version_id: str | None = None
    review_id: str | None = None
    next_run_id: str | None = None


class Rejected(RunEvent):
    NAME = "rejected"
    version_id: str | None = None
    review_id: str | None = None
    next_run_id: str | None = None


class ReviewUpdated(RunEvent):
    NAME = "review-updated"
    change: str | None = None
    deadline: datetime | None = None
    reason: str | None = None


class Failed(RunEvent):
    """The run failed or was cancelled, according to `status`."""

    NAME = "failed"
    error: Problem | None = None


class Complete(RunEvent):
    """The new version is committed, and every GET returns it."""

    NAME = "complete"
    version_id: str | None = None


class FilmUpdated(Event):
    NAME = "film-updated"
    compilation_job_id: str | None = None
    progress: float | None = None
    output_duration: float | None = None


class ImportReady(Event):
    NAME = "import-ready"
    import_id: str | None = None


class BatchUpdated(Event):
    NAME = "batch-updated"
    batch_id: str | None = None
    completed: int = 0
    approved: int = 0
    failed: int = 0
    total: int = 0
    current_segment: int | None = None
    failed_segments: list[int] = []


class Changed(Event):
    NAME = "changed"
    resource: str | None = None
    id: str | None = None
    deleted: bool = False
    version_id: str | None = None
    """That a note is about."""


class ActiveRun(RunEvent):
    """A run in a snapshot."""

    step: str | None = None
    percent: float | None = None
    deadline: datetime | None = None


class Snapshot(Event):
    """All active runs and waiting reviews at the start of the stream."""

    NAME = "snapshot"
    runs: list[ActiveRun] = []
    batches: list[BatchUpdated] = []
    compilations: list[FilmUpdated] = []


class Reset(Event):
    """The requested position is no longer available: drop cached state. A snapshot follows."""

    NAME = "reset"
    reason: str | None = None


_KNOWN: dict[str, type[Event]] = {
    kind.NAME: kind
    for kind in (
        RegenerateRequested,
        Progress,
        PreviewReady,
        Accepted,
        Rejected,
        ReviewUpdated,
        Failed,
        Complete,
        FilmUpdated,
        ImportReady,
        BatchUpdated,
        Changed,
        Snapshot,
        Reset,
    )
}


def parse_event(name: str, last_event_id: str | None, data: dict[str, Any]) -> Event:
    """The event of this name; a plain Event for an unknown name."""
    fields = {k: v for k, v in data.items() if k not in ("name", "data", "last_event_id")}
    return _KNOWN.get(name, Event).model_validate(
        {**fields, "name": name, "last_event_id": last_event_id or None, "data": data}
    )
