"""Batches: many runs of one episode."""

from __future__ import annotations

from typing import Any

from client.models.base import AssetKind, Model, Open, Problem, Resource


class BatchStatus(Open):
    RUNNING = "running"
    WAITING_REVIEW = "waiting_review"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"

    @property
    def terminal(self) -> bool:
        return self in (BatchStatus.COMPLETED, BatchStatus.FAILED, BatchStatus.CANCELLED)


class BatchItem(Model):
    """An asset in a batch; `problem` says why it was skipped."""

    asset_id: str | None = None
    segment_id: str | None = None
    segment_number: int | None = None
    kind: AssetKind
    state: str | None = None
    run_id: str | None = None
    problem: Problem | None = None


class Batch(Resource):
    episode_id: str | None = None
    mode: str | None = None
    status: BatchStatus
    completed: int = 0
    approved: int = 0
    failed: int = 0
    total: int = 0
    current_segment: int | None = None
    failed_segments: list[int] = []
    message: str | None = None
    message_code: str | None = None
    message_args: dict[str, Any] = {}
    items: list[BatchItem] = []
    error: Problem | None = None
    compilation_job_id: str | None = None


class StartedBatch(Model):
    """The response of generate-segments; `job_id` is the id of the batch."""

    job_id: str
    total_segments: int
    status: str
