"""Versions, runs, reviews."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from services.gateway.api.schemas.base import (
    EXAMPLE_ID,
    Body,
    Changes,
    Costs,
    Dated,
    Directions,
    Failure,
    Flag,
    GivenId,
    Id,
    Resource,
    Score,
    Setting,
    Url,
    Whole,
    shown,
)

Kind = Literal["video", "starting_image", "image", "narration", "music"]
RunStatus = Literal[
    "requested",
    "queued",
    "generating",
    "preview_ready",
    "accepted",
    "complete",
    "rejected",
    "expired",
    "failed",
    "cancelled",
]


class Version(Dated):
    """The immutable result of a run."""

    id: Id
    project_id: Id
    episode_id: Id
    asset_id: Id
    segment_id: Id | None
    segment_number: int | None
    run_id: Id
    kind: Kind
    number: int = Field(description="Per asset, from 1.")
    status: Literal["preview", "accepted", "rejected", "expired", "not_chosen"]
    committed: bool = Field(description="The one that the rest of the world sees.")
    gone: bool = Field(description="Retention has deleted its bytes.")
    directions: str
    style: str | None = Field(description="The project's then, and what the run added to it; not part of directions.")
    character_prompt: str | None
    model: str | None
    provider: str = Field(examples=["animatic"])
    seed: int | None
    settings: dict[str, Setting]
    starting_image_version_id: Id | None
    parent_version_id: Id | None = Field(description="What it was made to replace.")
    url: Url
    thumbnail_url: Url
    filmstrip_url: Url
    proxy_url: Url
    content_type: str
    size: int = Field(description="Bytes.")
    duration: float | None = Field(description="Seconds, as probed.")
    resolution: str | None = Field(description="As probed.", examples=["1920x1080"])
    aspect_ratio: str | None
    fps: float | None
    quality_metrics: dict[str, float | None] = Field(description="Measured from pixels; scores are 0 to 1.")
    unmeasured: dict[str, str] = Field(description="Why a metric is null.")
    cost: Costs
    info: dict[str, Any] = Field(description="The provider's own facts, such as `animatic: true`.")
    provenance: Literal["signed", "unsigned"] | None = Field(description="Of its Content Credentials.")
    unsigned_reason: str | None = Field(description="Why it carries none.")
    accepted_at: datetime | None


class Review(Dated):
    """The record of a decision."""

    id: Id
    project_id: Id
    episode_id: Id
    asset_id: Id
    segment_id: Id | None
    run_id: Id
    version_id: Id
    kind: Kind
    action: Literal["approve", "reject", "request_regeneration"]
    rating: int | None
    feedback: str | None
    suggested_changes: dict[str, Any] | None
    regenerate: bool
    user_id: str | None = Field(description="null: a policy decided.")
    verdict: Literal["pending", "accepted", "rejected", "refused"]
    reason: str | None = Field(description="Why a decision was refused.")
    next_run_id: Id | None = Field(description="The run that a rejection started.")
    decided_at: datetime | None


class Step(Resource):
    state: str
    step: str
    attempt: int
    at: datetime
    message: str


class Run(Dated):
    """One regeneration of one asset."""

    id: Id
    project_id: Id
    episode_id: Id
    asset_id: Id
    segment_id: Id | None
    segment_number: int | None
    batch_id: Id | None
    import_id: Id | None
    kind: Kind
    label: str
    number: int = Field(description="Per asset, from 1.")
    source: Literal["generate", "upload", "url", "import", "existing"]
    parent_run_id: Id | None
    parent_reason: Literal["rejected", "retry", "reopen", "rollback"] | None
    status: RunStatus
    step: str | None
    percent: float | None
    message: str | None = Field(description="For people.", examples=["Generating Segment 1/10..."])
    attempt: int
    steps: list[Step] = Field(description="What happened, oldest first.")
    directions: str | None
    style_adjustments: str | None
    character_prompt: str | None
    settings: dict[str, Setting] = Field(description="Effective values and where each came from.")
    provider: str | None
    versions: list[Version] = Field(description="What it offers, or offered.")
    version_id: Id | None = Field(description="The one that was accepted.")
    lost: list[Failure] = Field(description="Variants that failed.")
    deadline: datetime | None = Field(description="To decide until; null: none.")
    review: Review | None
    review_outcome: Literal["accepted", "rejected", "expired", "withdrawn"] | None
    auto_approve: bool
    error: Failure | None
    cost: Costs
    started_at: datetime | None
    finished_at: datetime | None


class Difference(Resource):
    field: str
    values: list[Any] = Field(description="In the order of the versions.")


class Comparison(Resource):
    versions: list[Version]
    differences: list[Difference]


class NewRun(Body):
    """What is left out comes from the draft."""

    directions: Directions | None = None
    model: str | None = Field(None, max_length=200, examples=["animatic/camera"])
    settings: dict[str, Any] = Field({}, description="The model's own, see GET /models.", examples=[{"duration": 5}])
    variants: Whole = Field(1, ge=1, le=4, description="Versions to make and choose from.")
    suggested_changes: Changes = Field(
        {},
        description="Merged into what the parent run was asked for.",
        examples=[{"prompt_modifications": "Pan left instead."}],
    )


class NewVersion(
    Body,
    json_schema_extra=shown(
        {
            "upload_id": EXAMPLE_ID,
            "directions": "My own take of this scene.",
        }
    ),
):
    """One's own file as a version: exactly one of `upload_id` and `url`."""

    upload_id: GivenId | None = None
    url: str | None = Field(None, max_length=2000, description="https only.")
    directions: Directions | None = None


class Decision(
    Body,
    json_schema_extra=shown(
        {
            "action": "approve",
            "version_id": EXAMPLE_ID,
            "rating": 5,
            "feedback": "Looks great!",
        }
    ),
):
    """One decision counts per run."""

    action: Literal["approve", "reject"]
    version_id: GivenId | None = Field(None, description="Which candidate; needed to approve if there are several.")
    rating: Whole | None = Field(None, ge=1, le=5, examples=[5])
    feedback: str | None = Field(None, max_length=4000, description="Recorded, never sent to a model.")
    suggested_changes: Changes | None = Field(None, examples=[{"character_prompt": "glasses"}])
    regenerate: Flag | None = Field(
        None, description="Start the next run at once. Default: true with suggested_changes, for editors."
    )


class Approval(
    Body,
    json_schema_extra=shown(
        {
            "rating": 5,
            "feedback": "Looks great!",
        }
    ),
):
    """Seed 004."""

    rating: Whole | None = Field(None, ge=1, le=5, examples=[5])
    feedback: str | None = Field(None, max_length=4000, examples=["Looks great!"])
    version_id: GivenId | None = Field(None, description="The one that was watched.")


class Rejection(
    Body,
    json_schema_extra=shown(
        {
            "reason": "Character appearance inconsistent",
            "suggested_changes": {"character_prompt": "glasses"},
        }
    ),
):
    """Seed 004."""

    reason: str | None = Field(None, max_length=4000, examples=["Character appearance inconsistent"])
    suggested_changes: Changes | None = Field(None, examples=[{"character_prompt": "glasses"}])
    version_id: GivenId | None = None
    rating: Whole | None = Field(None, ge=1, le=5)
    regenerate: Flag | None = None


class Regeneration(
    Body,
    json_schema_extra=shown(
        {
            "changes": {"prompt_modifications": "Pan left.", "style_adjustments": "warmer", "seed": 67890},
            "keep_original": True,
        }
    ),
):
    """Seed 004."""

    changes: Changes = Field(
        {},
        description="prompt_modifications and style_adjustments are appended; "
        "directions, model, duration, resolution, aspect_ratio and seed replace; other "
        "keys are only recorded.",
        examples=[{"prompt_modifications": "Pan left.", "seed": 67890}],
    )
    keep_original: Flag = Field(True, description="false frees the replaced version once the new one is committed.")


class PreviousVersion(Resource):
    id: Id
    run_id: Id
    number: int
    status: str
    url: Url
    thumbnail_url: Url
    directions: str
    model: str | None
    duration: float | None
    quality_score: Score
    created_at: datetime
