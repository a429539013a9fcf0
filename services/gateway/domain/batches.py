"""Batches: many segments of an episode generated under one policy. The planner is in `batch_planner.py`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Literal

from shared.contracts.values import Actor, AssetKind

PARALLEL_SIZE: Final = 4
"""How many runs a parallel batch has active by default; the provider's own limits apply anyway."""


class BatchStatus(StrEnum):
    RUNNING = "running"
    WAITING_REVIEW = "waiting_review"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


LIVE_STATUSES: Final = frozenset({BatchStatus.RUNNING, BatchStatus.WAITING_REVIEW, BatchStatus.PAUSED})
ENDED_STATUSES: Final = frozenset(BatchStatus) - LIVE_STATUSES


@dataclass(frozen=True)
class BatchPolicy:
    mode: Literal["sequential", "parallel"]
    batch_size: int = 1
    auto_approve: bool = False
    review: Literal["video", "all"] = "video"

    def approves(self, kind: AssetKind) -> bool:
        """Whether a run of this kind is approved without a person."""
        return self.auto_approve or (self.review == "video" and kind is not AssetKind.VIDEO)


@dataclass(frozen=True)
class BatchCounts:
    """How many segments are in each state, judged by their videos: `completed` (with the approved ones) and `approved`
    as the status of a segment says, `failed` are those that the batch has left."""

    completed: int = 0
    approved: int = 0
    failed: int = 0
    total: int = 0
    current_segment: int | None = None


@dataclass(frozen=True)
class NewBatch:
    """`compile`: the film to request at the end, as `compile_to_json` writes it. `at`: when the batch was created."""

    batch_id: str
    project_id: str
    episode_id: str
    policy: BatchPolicy
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
    policy: BatchPolicy
    review_timeout_s: int | None
    compile: Mapping[str, Any] | None
    status: BatchStatus
    counts: BatchCounts
    actor: Actor
    correlation_id: str
    created_at: datetime
    updated_at: datetime
    message_code: str | None
    message_args: Mapping[str, Any]
    failed_segments: tuple[int, ...]
