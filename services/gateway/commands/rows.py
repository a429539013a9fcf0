"""Runs, versions, reviews, batches and films as the use cases read and write them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from services.gateway.domain.batches import BatchStatus, Counts, Policy
from services.gateway.domain.changes import Wanted
from services.gateway.domain.episodes import Project
from services.gateway.domain.runs import RunStatus, Track, VersionStatus
from shared.contracts.events.compiler import FilmState
from shared.contracts.events.gateway import DecisionAction, RegenerateRequested
from shared.contracts.values import Actor, AssetKind, Media, ObjectRef, Output, ParentReason, RunSource


@dataclass(frozen=True)
class Run:
    """A run with what handlers need of its asset. `held`: waits for the verdict on its parent, not sent yet.

    `holds`: the run that waits for the verdict on this one. `batch_now`: the live batch of its episode.
    """

    run_id: str
    project_id: str
    owner_id: str
    episode_id: str
    asset_id: str
    segment_id: str | None
    segment_number: int | None
    kind: AssetKind
    label: str
    source: RunSource
    parent_run_id: str | None
    parent_reason: ParentReason | None
    batch_id: str | None
    import_id: str | None
    request: RegenerateRequested
    auto_approve: bool
    held: bool
    track: Track
    announced: bool
    step: str | None
    attempt: int
    candidates: tuple[str, ...]
    version_id: str | None
    deadline: datetime | None
    actor: Actor
    draft_revision: int
    updated_at: datetime
    holds: str | None
    batch_now: str | None
    asset_revision: int
    asset_committed: bool
    segment_duration: float | None

    @property
    def status(self) -> RunStatus:
        return self.track.status

    @property
    def wanted(self) -> Wanted:
        return Wanted.of(self.request.overrides)

    def moved(self, track: Track, at: datetime, version_id: str) -> Run:
        """As it is after it was accepted."""
        return replace(self, track=track, updated_at=at, version_id=version_id, holds=None)


@dataclass(frozen=True)
class NewRun:
    """`request` is published now, or once the parent's verdict is known (`held`)."""

    request: RegenerateRequested
    project_id: str
    number: int
    at: datetime
    held: bool = False
    import_id: str | None = None
    changes: Mapping[str, Any] | None = None
    draft_revision: int = 0


@dataclass(frozen=True)
class VersionRow:
    version_id: str
    project_id: str
    episode_id: str
    asset_id: str
    kind: AssetKind
    run_id: str
    number: int
    status: VersionStatus
    directions: str
    model: str | None
    closed_at: datetime | None
    retired_at: datetime | None


@dataclass(frozen=True)
class RunBase:
    """What a new run of an asset builds on."""

    project: Project
    output: Output
    references: Mapping[str, ObjectRef]
    committed: VersionRow | None
    segment_duration: float | None
    starting_image_version_id: str | None
    previous_video_asset_id: str | None


@dataclass(frozen=True)
class NewReview:
    """`verdict`: pending, or already known when a policy decided."""

    review_id: str
    run: Run
    version_id: str
    action: DecisionAction
    actor: Actor
    at: datetime
    rating: int | None = None
    feedback: str | None = None
    suggested_changes: Mapping[str, Any] | None = None
    regenerate: bool = False
    next_run_id: str | None = None
    verdict: str = "pending"


@dataclass(frozen=True)
class Review:
    review_id: str
    run_id: str
    project_id: str
    version_id: str
    action: DecisionAction
    next_run_id: str | None
    verdict: str
    reason: str | None


@dataclass(frozen=True)
class NewBatch:
    batch_id: str
    project_id: str
    episode_id: str
    policy: Policy
    start_from: int
    segment_ids: tuple[str, ...] | None
    review_timeout_s: int | None
    compile: Mapping[str, Any] | None
    actor: Actor
    correlation_id: str
    at: datetime


@dataclass(frozen=True)
class Batch:
    batch_id: str
    project_id: str
    owner_id: str
    episode_id: str
    policy: Policy
    review_timeout_s: int | None
    compile: Mapping[str, Any] | None
    status: BatchStatus
    counts: Counts
    actor: Actor
    correlation_id: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class Film:
    compilation_id: str
    project_id: str
    owner_id: str
    episode_id: str
    state: FilmState
    rev: int
    actor: Actor
    updated_at: datetime


@dataclass(frozen=True)
class FilmSource:
    """A committed version that a film may use. `committing`: a newer one is accepted and not yet committed."""

    asset_id: str
    committing: str | None
    version_id: str | None
    object: ObjectRef | None
    media: Media
    directions: str
    model: str | None
    approved_by: str | None
    committed_at: datetime | None = None
    language: str | None = None


@dataclass(frozen=True)
class FilmSegment:
    segment_id: str
    number: int
    transition_after: Mapping[str, Any] | None
    video: FilmSource
    narration: FilmSource | None


@dataclass(frozen=True)
class FilmParts:
    """An episode as one statement saw it, segments in film order."""

    episode_id: str
    project_id: str
    owner_id: str
    timeline_version: int
    output: Output
    segments: tuple[FilmSegment, ...]
    music: FilmSource | None


@dataclass(frozen=True)
class Import:
    import_id: str
    project_id: str
    owner_id: str
    episode_id: str
    source: str
    status: str
    run_rev: int
    actor: Actor
    warnings: tuple[str, ...] = ()
    percent: float = 0
    clips_taken: bool = False
    upload_id: str | None = None  # of a film


@dataclass(frozen=True)
class Upload:
    upload_id: str
    project_id: str
    filename: str
    content_type: str
    kind: str
    object: ObjectRef
    user_id: str
    width: int | None = None
    height: int | None = None
    duration: float | None = None
