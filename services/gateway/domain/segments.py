"""Segments of an episode, and the status of each: `status` follows from its newest video run, `approval_status` from
the decision on that run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, assert_never

from services.gateway.domain.assets import NewAsset
from services.gateway.domain.runs import RunStatus
from shared.contracts.values import SegmentType


class SegmentStatus(StrEnum):
    PENDING = "pending"
    GENERATING = "generating"
    COMPLETED = "completed"
    FAILED = "failed"


class ApprovalStatus(StrEnum):
    APPROVED = "approved"
    REJECTED = "rejected"
    NEEDS_REVISION = "needs_revision"


@dataclass(frozen=True)
class NewestRun:
    """The newest run of an asset that was sent and is neither expired nor cancelled; those leave the status unchanged.

    `after_rejection`: its parent was rejected. `changes_suggested`: it was itself rejected with suggested changes.
    """

    status: RunStatus
    after_rejection: bool = False
    changes_suggested: bool = False


@dataclass(frozen=True)
class SegmentState:
    status: SegmentStatus
    approval_status: ApprovalStatus | None


def segment_state(run: NewestRun | None) -> SegmentState:
    """`run` None: the segment has no such run yet."""
    if run is None:
        return SegmentState(SegmentStatus.PENDING, None)
    match run.status:
        case RunStatus.REQUESTED | RunStatus.QUEUED | RunStatus.GENERATING:
            revision = ApprovalStatus.NEEDS_REVISION if run.after_rejection else None
            return SegmentState(SegmentStatus.GENERATING, revision)
        case RunStatus.PREVIEW_READY:
            return SegmentState(SegmentStatus.COMPLETED, None)
        case RunStatus.ACCEPTED | RunStatus.COMPLETE:
            return SegmentState(SegmentStatus.COMPLETED, ApprovalStatus.APPROVED)
        case RunStatus.REJECTED:
            changes = ApprovalStatus.NEEDS_REVISION if run.changes_suggested else ApprovalStatus.REJECTED
            return SegmentState(SegmentStatus.COMPLETED, changes)
        case RunStatus.FAILED:
            return SegmentState(SegmentStatus.FAILED, None)
        case RunStatus.EXPIRED | RunStatus.CANCELLED:
            raise ValueError(f"a run that is {run.status} does not change the status of its segment")
        case _:
            assert_never(run.status)


@dataclass(frozen=True)
class SegmentCounts:
    """`completed` includes approved and rejected segments; `pending` are all others that have not failed."""

    total_segments: int
    completed: int
    approved: int
    rejected: int
    failed: int
    pending: int
    current_segment: int | None


def count_segments(segments: Sequence[SegmentState]) -> SegmentCounts:
    """`segments` in film order. The current segment is the first that is generating, else the first that is not
    approved."""
    completed = sum(s.status is SegmentStatus.COMPLETED for s in segments)
    failed = sum(s.status is SegmentStatus.FAILED for s in segments)
    approved = [s.approval_status is ApprovalStatus.APPROVED for s in segments]
    rejections = (ApprovalStatus.REJECTED, ApprovalStatus.NEEDS_REVISION)
    generating = [n for n, s in enumerate(segments, 1) if s.status is SegmentStatus.GENERATING]
    waiting = [n for n, done in enumerate(approved, 1) if not done]
    return SegmentCounts(
        total_segments=len(segments),
        completed=completed,
        approved=sum(approved),
        rejected=sum(s.status is SegmentStatus.COMPLETED and s.approval_status in rejections for s in segments),
        failed=failed,
        pending=len(segments) - completed - failed,
        current_segment=next(iter(generating), next(iter(waiting), None)),
    )


@dataclass(frozen=True)
class Segment:
    """`number` counts from 1 in film order; None once the segment is deleted. `duration` in seconds."""

    segment_id: str
    episode_id: str
    project_id: str
    number: int | None
    type: SegmentType
    scene_info: dict[str, Any]
    duration: float | None
    user_notes: str
    transition_after: dict[str, Any] | None
    revision: int = 1


@dataclass(frozen=True)
class DeletedSegment:
    """`number`: where it was when it was deleted; None: deleted before that was kept."""

    segment_id: str
    episode_id: str
    project_id: str
    number: int | None
    deleted_at: datetime


@dataclass(frozen=True)
class NewSegment:
    segment_id: str
    number: int
    type: SegmentType
    scene_info: dict[str, Any] = field(default_factory=dict)
    duration: float | None = None
    transition_after: dict[str, Any] | None = None
    scene_id: str | None = None
    shot_id: str | None = None
    style: str | None = None
    characters: str | None = None
    user_notes: str = ""
    assets: tuple[NewAsset, ...] = ()
