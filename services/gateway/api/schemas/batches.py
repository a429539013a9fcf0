"""Batches: many segments generated under one policy."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from services.gateway.api.schemas.base import (
    Body,
    Count,
    Dated,
    Failure,
    Flag,
    GivenId,
    Id,
    Kind,
    ListOf,
    Minutes,
    Resource,
    Said,
    Timestamp,
    Whole,
    shown,
)
from services.gateway.api.schemas.estimates import DryRun


class BatchItem(Resource):
    """One asset that a batch generates."""

    asset_id: Id
    segment_id: Id | None = Field(description="The segment; null: the asset belongs to the episode, such as music.")
    segment_number: int | None = Field(description="The segment's number in film order, from 1; null: music.")
    kind: Kind = Field(description="The kind of asset.")
    state: str = Field(description="pending, running, waiting_review, held, done, skipped, left, deleted or nothing.")
    run_id: Id | None = Field(description="The run; null: none.")
    problem: Failure | None = Field(description="Why the asset was left out, or why its run failed; null: neither.")


class Batch(Dated, Said):
    """The generation of many segments under one policy."""

    id: Id
    project_id: Id
    episode_id: Id
    mode: Literal["sequential", "parallel"] = Field(
        description=(
            "sequential: a segment starts when the previous one is accepted; parallel: several "
            "segments at the same time."
        )
    )
    batch_size: int = Field(description="The number of runs that generate at the same time, in parallel mode.")
    start_from: int = Field(description="The number of segments to skip at the beginning.")
    auto_approve: bool = Field(description="Whether previews are accepted automatically.")
    review: Literal["video", "all"] = Field(description="Which previews wait for a review: those of videos, or all.")
    segment_ids: list[Id] | None = Field(
        description=("The segments that the batch is restricted to; null: all of the episode.")
    )
    status: Literal["running", "waiting_review", "paused", "completed", "failed", "cancelled"] = Field(
        description="The current status."
    )
    completed: int = Field(description="The number of segments that have a video, including approved ones.")
    approved: int = Field(description="The number of segments whose video is committed.")
    failed: int = Field(description="The number of segments whose newest run failed and that have no video.")
    total: int = Field(description="The number of segments in the batch.")
    current_segment: int | None = Field(
        description=(
            "The number of the segment that is generating, or else of the first one that is not "
            "approved; null: neither."
        )
    )
    failed_segments: list[int] = Field(description="The numbers of the segments that failed, in film order.")
    message: str | None = Field(description="A message for users, in one line.")
    items: list[BatchItem] = Field(description="The assets that the batch generates, in order.")
    compilation_job_id: Id | None = Field(description="The film that the batch ended with; null: none was requested.")
    error: Failure | None = Field(description="The reason of the failure; null: it has not failed.")
    finished_at: Timestamp | None = Field(description="When it ended; null: it has not ended.")


class BatchList(ListOf[Batch]):
    """Batches of an episode, newest first."""


class Started(Resource):
    """The batch that was started."""

    job_id: Id
    total_segments: int = Field(description="The number of segments in the batch.")
    status: Literal["started"] = Field(description="Always `started`.")


class NewBatch(Body, json_schema_extra=shown({"mode": "parallel", "batch_size": 4, "deadline_minutes": None})):
    """A batch to start."""

    mode: Literal["sequential", "parallel"] = Field(
        "sequential",
        description=(
            "sequential: a segment starts when the previous one is accepted; parallel: several "
            "segments at the same time."
        ),
    )
    batch_size: Whole = Field(
        1, ge=1, le=50, description="The number of runs that generate at the same time, in parallel mode."
    )
    start_from: Whole = Field(0, ge=0, description="The number of segments to skip at the beginning.")
    auto_approve: Flag = Field(
        False,
        description=(
            "Whether previews are accepted automatically. The default is true in projects whose workflow is monolithic."
        ),
    )
    review: Literal["video", "all"] = Field(
        "video", description="Which previews wait for a review: those of videos, or all."
    )
    segment_ids: list[GivenId] | None = Field(
        None, max_length=500, description="The segments to generate; null: all of the episode."
    )
    deadline_minutes: Minutes | None = Field(
        None, description="Minutes until previews expire; left out: the project's default; null: they do not expire."
    )
    dry_run: DryRun = False


class GenerateSegments(
    Body,
    json_schema_extra=shown(
        {
            "mode": "sequential",
            "batch_size": 1,
            "start_from": 0,
            "auto_approve": False,
        }
    ),
):
    """The generation of an episode's segments."""

    mode: Literal["sequential", "parallel"] = Field(
        "sequential",
        description=(
            "sequential: a segment starts when the previous one is accepted; parallel: several "
            "segments at the same time."
        ),
    )
    batch_size: Whole = Field(
        1, ge=1, le=50, description="The number of runs that generate at the same time, in parallel mode."
    )
    start_from: Whole = Field(0, ge=0, description="The number of segments to skip at the beginning.")
    auto_approve: Flag = Field(
        False,
        description=(
            "Whether previews are accepted automatically. The default is true in projects whose workflow is monolithic."
        ),
    )
    dry_run: DryRun = False


class Resumption(Body, json_schema_extra=shown({"skip_held": True})):
    """How to resume a batch."""

    start_from: Count | None = Field(None, description="The number of segments to skip at the beginning.")
    skip: list[GivenId] = Field([], max_length=500, description="The ids of segments to leave out.")
    skip_held: Flag = Field(False, description="Whether to leave out the segments that hold the batch up.")
