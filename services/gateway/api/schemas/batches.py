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
    Timestamp,
    Whole,
    shown,
)


class BatchItem(Resource):
    """One thing that a batch makes."""

    asset_id: Id
    segment_id: Id | None = Field(description="null: the asset is its episode's, such as music.")
    segment_number: int | None = Field(description="From 1, in film order; null: music.")
    kind: Kind = Field(description="What the slot holds.")
    state: str = Field(description="pending, running, waiting_review, held, done, skipped, left, deleted, nothing.")
    run_id: Id | None = Field(description="The run's; null: none.")
    problem: Failure | None = Field(description="Why it was left.")


class Batch(Dated):
    """Generating many segments under one policy."""

    id: Id
    project_id: Id
    episode_id: Id
    mode: Literal["sequential", "parallel"] = Field(
        description="sequential: a segment begins when the one before is accepted; parallel: several at a time."
    )
    batch_size: int = Field(description="How many are made at the same time, in parallel mode.")
    start_from: int = Field(description="How many segments to skip, from 0.")
    auto_approve: bool = Field(description="Whether previews are accepted as they come, by policy.")
    review: Literal["video", "all"] = Field(description="Which previews wait for a person: videos, or all.")
    segment_ids: list[Id] | None = Field(description="In this order.")
    status: Literal["running", "waiting_review", "paused", "completed", "failed", "cancelled"] = Field(
        description="Where it stands."
    )
    completed: int = Field(description="Segments whose video is there, approved ones included.")
    approved: int = Field(description="Segments whose video is committed.")
    failed: int = Field(description="Segments whose newest run failed and that have no video.")
    total: int = Field(description="Segments in all.")
    current_segment: int | None = Field(
        description=(
            "The number of the segment that is being made, else of the first that is not approved; "
            "null: none of either."
        )
    )
    message: str | None = Field(description="For people, in one line; null: nothing to say.")
    items: list[BatchItem] = Field(description="What it makes, in order.")
    compilation_job_id: Id | None = Field(description="The film that it ended with; null: none was asked for.")
    error: Failure | None = Field(description="Why it failed; null: it did not.")
    finished_at: Timestamp | None = Field(description="When it ended, however; null: it goes on.")


class BatchList(ListOf[Batch]):
    """Newest first; segments in film order."""


class Started(Resource):
    """Seed 004."""

    job_id: Id
    total_segments: int = Field(description="Segments in all.")
    status: Literal["started"] = Field(description="Always `started`.")


class NewBatch(Body, json_schema_extra=shown({"mode": "parallel", "batch_size": 4, "deadline_minutes": None})):
    """What to make, and how."""

    mode: Literal["sequential", "parallel"] = Field(
        "sequential",
        description="sequential: a segment begins when the one before is accepted; parallel: several at a time.",
    )
    batch_size: Whole = Field(1, ge=1, le=50, description="Runs that generate at once, when parallel.")
    start_from: Whole = Field(0, ge=0, description="Segments to skip.")
    auto_approve: Flag = Field(False, description="Left out: true in projects whose workflow is monolithic.")
    review: Literal["video", "all"] = Field("video", description="What waits for a person.")
    segment_ids: list[GivenId] | None = Field(None, max_length=500, description="In this order.")
    deadline_minutes: Minutes | None = Field(None, description="Left out: the project's; null: none.")


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
    """Seed 004."""

    mode: Literal["sequential", "parallel"] = Field(
        "sequential",
        description="sequential: a segment begins when the one before is accepted; parallel: several at a time.",
    )
    batch_size: Whole = Field(1, ge=1, le=50, description="How many are made at the same time, in parallel mode.")
    start_from: Whole = Field(0, ge=0, description="How many segments to skip, from 0.")
    auto_approve: Flag = Field(False, description="Left out: true in projects whose workflow is monolithic.")


class Resumption(Body, json_schema_extra=shown({"skip_held": True})):
    """Where a batch goes on."""

    start_from: Count | None = Field(None, description="How many segments to skip, from 0.")
    skip: list[GivenId] = Field([], max_length=500, description="The ids of segments to leave out.")
    skip_held: Flag = Field(False, description="Whether to leave out the segments that hold the batch up.")
